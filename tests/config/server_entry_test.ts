/**
 * Entries of `servers`: virtual servers.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Fields, notesOf, problemsOf, read, server } from "./read_file.ts";

Deno.test("an empty entry is a virtual server that shows nothing", () => {
  assertEquals(read(server({}, "Ops!")).declarations.servers, [{
    name: "Ops!",
    slug: "ops",
    title: undefined,
    description: undefined,
    instructions: undefined,
    tools: [],
    prompts: [],
    resources: [],
    naming: "prefixed",
    visibility: "public",
    team: undefined,
    owner: undefined,
    overrides: { tools: {}, prompts: {}, resources: {} },
    enabled: true,
    declared: true,
  }]);
});

for (
  const fields of [
    { title: "Operations", description: "For operators", instructions: "Look first" },
    { tools: ["github-search_*", "files-*"], prompts: ["*"], resources: ["file:///**"] },
    { naming: "verbatim" },
    { visibility: "team", team: "platform" },
    { visibility: "private", owner: "a@b.example" },
  ]
) {
  Deno.test(`${JSON.stringify(fields)} is taken over`, () => {
    const declared: Fields = { ...only(fields) };
    assertEquals(
      Object.fromEntries(Object.keys(fields).map((name) => [name, declared[name]])),
      fields,
    );
  });
}

for (const fields of [{ disabled: true }, { enabled: false }]) {
  Deno.test(`${JSON.stringify(fields)} declares it, disabled`, () => {
    assertEquals(only(fields).enabled, false);
  });
}

Deno.test("overrides are taken over", () => {
  const tool = {
    name: "look",
    title: "Look",
    description: "",
    annotations: { readOnlyHint: true },
  };
  const { overrides } = only({
    overrides: { tools: { "a-search": tool }, resources: { "file:///a": { name: "The file" } } },
  });
  assertEquals(JSON.parse(JSON.stringify(overrides)), {
    tools: { "a-search": tool },
    prompts: {},
    resources: { "file:///a": { name: "The file" } },
  });
});

Deno.test("texts are taken as they stand: a virtual server needs no variables", () => {
  const { instructions } = only({ instructions: "Write ${TOKEN}" });
  assertEquals([instructions, read(server({ title: "${TOKEN}" })).variables], [
    "Write ${TOKEN}",
    [],
  ]);
});

for (
  const [fields, note] of [
    [{ icon: "a" }, "servers.a.icon is not known and was skipped"],
    [
      { overrides: { templates: {} } },
      "servers.a.overrides.templates is not known and was skipped",
    ],
    [
      { overrides: { tools: { x: { icon: "a" } } } },
      "servers.a.overrides.tools.x.icon is not known and was skipped",
    ],
  ] as const
) {
  Deno.test(`"${note}"`, () => assertEquals(notesOf(server(fields)), [note]));
}

for (const foreign of [{ url: "http://a.example" }, { command: "npx" }]) {
  Deno.test(`"servers" with a ${Object.keys(foreign)} is refused with the hint to rename it`, () => {
    assertEquals(problemsOf(server(foreign)), [
      'servers.a: has a command or url; rename "servers" to "mcpServers"',
    ]);
  });
}

const NAME_PROBLEM = "must be 1 to 64 letters, digits, or characters of _ . / -";

for (
  const [fields, problem] of [
    [{ visibility: "team" }, 'servers.a.team: needed with "team"'],
    [{ visibility: "private", owner: "" }, 'servers.a.owner: needed with "private"'],
    [
      { overrides: { tools: { x: { name: "a b" } } } },
      `servers.a.overrides.tools.x.name: ${NAME_PROBLEM}`,
    ],
    [
      { overrides: { prompts: { x: { name: "a".repeat(65) } } } },
      `servers.a.overrides.prompts.x.name: ${NAME_PROBLEM}`,
    ],
    [
      { overrides: { tools: { x: { name: "a" }, y: { name: "a" } } } },
      'servers.a.overrides.tools.y.name: "x" has the same',
    ],
  ] satisfies [Fields, string][]
) {
  Deno.test(`"${problem}" is what ${JSON.stringify(fields).slice(0, 60)} gets`, () => {
    assertEquals(problemsOf(server(fields)), [problem]);
  });
}

for (
  const wrong of [
    { tools: "*" },
    { tools: [1] },
    { tools: [""] },
    { naming: "short" },
    { overrides: [] },
    { overrides: { tools: { x: "y" } } },
    { overrides: { tools: { x: { annotations: "y" } } } },
    { title: 1 },
    "a",
    null,
    [],
  ]
) {
  Deno.test(`${JSON.stringify(wrong)} is a problem with its path`, () => {
    const found = problemsOf(JSON.stringify({ servers: { a: wrong } }));
    assertEquals(found.map((problem) => problem.startsWith("servers.a")), [true]);
  });
}

/** The one virtual server of a file with this entry. */
function only(fields: Fields) {
  return read(server(fields)).declarations.servers[0]!;
}
