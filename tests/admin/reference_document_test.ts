/**
 * The reference system's export document as a bundle: documents with what exactly becomes of them.
 *
 * @module
 * @see contract.md, section 8, "Export and import"; fixtures/reference-export
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type BundleList, ENTRIES, type Translated } from "../../src/admin/api/bundle.ts";
import { bundleOfReference } from "../../src/admin/reference_document.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { RestTool } from "../../src/domain/rest_tool.ts";
import { createArgumentCheck } from "../../src/policy/guardrails/argument_schema.ts";
import { restToolFaults } from "../../src/upstream/rest/tool_faults.ts";
import { type Seeded, seeded } from "../support/seeded.ts";
import { DOCUMENTS, expectedOf, textOf } from "./reference_fixtures.ts";

const documents = new Map<string, string>();
for (const name of DOCUMENTS) documents.set(name, await textOf(name));
/** Every value in the documents that is a secret, or was one before it was sealed. */
const SECRET = /SEALED|SECRET|PLAIN-|UNMASKED|PASSWORD-IN|[A-Z]-IN-URL|TOKEN-IN|argon2id/;

function entriesOf({ bundle }: Translated): readonly [list: BundleList, entry: object][] {
  return (Object.keys(ENTRIES) as BundleList[]).flatMap((list) =>
    (bundle[list] ?? []).map((entry) => [list, entry] as [BundleList, object])
  );
}

for (const [name, text] of documents) {
  Deno.test(`${name}.json becomes exactly what stands beside it`, async () => {
    assertEquals(bundleOfReference(JSON.parse(text)), await expectedOf(name));
  });

  Deno.test(`every entry that ${name}.json becomes is a body that makes such a record`, () => {
    const entries = entriesOf(bundleOfReference(JSON.parse(text)));
    assertEquals(entries.length > 0, true);
    for (const [list, entry] of entries) {
      const { error } = ENTRIES[list].safeParse(entry);
      assertEquals(error?.issues, undefined, `${list} ${JSON.stringify(entry)}`);
      if (list !== "tools") continue;
      const { timeout: _, ...tool } = entry as RestTool & { timeout?: string };
      assertEquals(restToolFaults(tool), []);
    }
  });

  Deno.test(`no secret of ${name}.json is in the bundle or the report`, () => {
    assertEquals(SECRET.test(text), true);
    const { notTaken, ...given } = bundleOfReference(JSON.parse(text));
    assertEquals(SECRET.exec(JSON.stringify(given))?.[0], undefined);
    // A member's name is in the report, whatever it is called.
    const reasons = JSON.stringify(notTaken).replace("SECRET NAME WITH SPACES", "");
    assertEquals(SECRET.exec(reasons)?.[0], undefined);
  });
}

const entities = (entities: object) => bundleOfReference({ entities });

for (const document of [undefined, null, 5, "x", [], {}, { entities: null }, { entities: [] }]) {
  Deno.test(`${JSON.stringify(document)} is no export document, and is said so`, () => {
    const { bundle, notTaken, toFillIn } = bundleOfReference(document);
    assertEquals([bundle, notTaken.length, toFillIn], [{ sallyport: 1 }, 1, []]);
    assertEquals(notTaken[0]!.kind, "document");
  });
}

Deno.test("what nests too deeply, or holds half a character, is cut or left out", () => {
  let deep: object = {};
  for (let i = 0; i < 50_000; i++) deep = { a: deep };
  const tool = (more: object) => ({ name: "a", url: "https://api.example.com", ...more });
  const { bundle, notTaken } = entities({
    tools: [tool({ input_schema: deep }), tool({ description: "half \ud800 of it" })],
  });
  assertEquals(bundle.tools?.map(({ description }) => description), ["half \ufffd of it"]);
  assertEquals(notTaken[0]?.reason, "It is nested too deeply, or too large");
});

Deno.test("what is of a team is not shown to others, whether the document says so or not", () => {
  const tool = { url: "https://api.example.com" };
  const { bundle } = entities({
    teams: [{ id: "t", name: "Ops" }],
    tools: [
      { name: "a", ...tool, team_id: "t" },
      { name: "b", ...tool, team_id: "x" },
      { name: "c", ...tool, visibility: "team", team: "Ops" },
      { name: "d", ...tool, visibility: "public", team_id: "t" },
    ],
  });
  assertEquals(bundle.tools?.map(({ visibility, teamId }) => [visibility, teamId]), [
    ["team", "ops"],
    ["private", undefined],
    ["team", "ops"],
    ["public", undefined],
  ]);
});

Deno.test("the separator of names is that of the settings", () => {
  const document = {
    entities: {
      gateways: [{ id: "g", name: "Git Hub", url: "https://example.com", transport: "HTTP" }],
      tools: [{ name: "find", original_name: "find", gateway_id: "g" }],
      servers: [{ name: "all", tool_ids: ["find", "git-hub__get-one"] }],
    },
  };
  const { bundle } = bundleOfReference(document, { separator: "__" });
  assertEquals(bundle.servers?.[0]?.tools, [
    "git-hub__find",
    "git-hub__get-one",
    "git-hub__get_one",
  ]);
});

Deno.test("what the gateway would refuse is left out with its reason, and the rest is taken", () => {
  const checkUrl = ({ hostname }: URL) => {
    if (hostname === "127.0.0.1") throw new GatewayError("egress_denied", "It is denied");
  };
  const { faultOf: schemaFault } = createArgumentCheck({ unusable: () => {} });
  const local = "http://127.0.0.1:9000";
  const url = "https://api.example.com";
  const oauth = { grant_type: "client_credentials", client_id: "x", token_url: `${local}/token` };
  const odd = { type: "object", properties: { a: { type: "strng" } } };
  const gateway = { url, transport: "HTTP" };
  const document = {
    entities: {
      gateways: [
        { ...gateway, name: "local", url: local },
        { ...gateway, name: "token", auth_type: "oauth", oauth_config: oauth },
        { ...gateway, name: "good" },
      ],
      tools: [
        { name: "local", url: `${local}/{id}` },
        { name: "odd", url, input_schema: odd },
        { name: "good", url, visibility: "private", is_active: false },
      ],
      prompts: [{ name: "good", template: "{{ a }}" }],
      resources: [{ uri: "a://{x}", content: "{{x}}", visibility: "public" }],
    },
  };
  const { bundle, notTaken } = bundleOfReference(document, { rules: { checkUrl, schemaFault } });
  const names = (list: readonly { name: string }[] = []) => list.map(({ name }) => name);
  assertEquals([names(bundle.upstreams), names(bundle.tools)], [["good"], ["good"]]);
  assertEquals([bundle.prompts?.length, bundle.resources?.length], [1, 1]);
  assertEquals(notTaken.slice(0, 3).map(({ reason }) => reason), Array(3).fill("It is denied"));
  assertEquals([notTaken[3]?.name, /"inputSchema"/.test(notTaken[3]!.reason)], ["odd", true]);
});

Deno.test("a virtual server gets no more than was in it: no name is taken for a pattern", () => {
  const resources = ["a://*", "a://{path*}", "a://b"].map((uri) => ({ uri, content: "x" }));
  const { bundle, notTaken } = entities({
    resources,
    servers: [{ name: "all", associated_resources: resources.map(({ uri }) => uri) }],
  });
  assertEquals(bundle.servers?.[0]?.resources, ["a://{path*}", "a://b"]);
  const reasons = notTaken.filter(({ kind }) => kind === "server").map(({ reason }) => reason);
  assertEquals(reasons, ['Of its resources these cannot be listed, or are not there: "a://*"']);
});

Deno.test("ten thousand entries of each kind are read, those of one name too, and no more", () => {
  const many = Array.from({ length: LIMITS.referenceEntries + 1 }, (_, i) => i);
  const url = "https://api.example.com/{id}";
  const started = performance.now();
  const { bundle, notTaken } = entities({
    gateways: many.map(() => ({ name: "same", url: "https://example.com", transport: "HTTP" })),
    tools: many.map((i) => ({ id: i, name: "same", url })),
    servers: [{ name: "all", tool_ids: many.slice(0, 400) }],
    roots: many,
  });
  console.log(`30,000 entries: ${Math.round(performance.now() - started)} ms`);
  const lengths = [bundle.upstreams, bundle.tools].map((list) => list?.length);
  assertEquals(lengths, [10_000, 10_000]);
  assertEquals(bundle.tools?.at(-1)?.name, "same_10000");
  assertEquals(bundle.upstreams?.at(-1)?.slug, "same-10000");
  assertEquals(bundle.servers?.[0]?.tools?.length, 400);
  assertEquals(notTaken.filter(({ reason }) => / are not read$/.test(reason)).length, 3);
});

Deno.test("text that is made to be slow is not", () => {
  const chars = 500_000;
  const { notTaken } = entities({
    gateways: [{ name: "a", url: "https://example.com", transport: "HTTP" }],
    tools: [
      { name: "_".repeat(chars) + "ä", url: "https://example.com" },
      { name: "b", url: "https://example.com/" + "{".repeat(chars) },
      { name: "c", url: "https://example.com", jsonpath_filter: ".a".repeat(chars) },
    ],
    prompts: ["{#", "{{ ", "{{a", "{%"].map((piece) => ({
      name: "slow",
      template: piece.repeat(chars / piece.length),
    })),
    servers: [{ name: "d", tool_ids: ["a-".repeat(chars)] }],
  });
  assertEquals(notTaken.length > 6, true);
});

/** What stands in a document in the place of something else. */
const ODD: readonly unknown[] = [
  null,
  0,
  -1.5,
  "",
  "x",
  "*****",
  "{{x}}",
  true,
  [],
  [null],
  {},
  { id: {} },
  "http://[",
  "\0",
  1e400,
];

Deno.test("documents with anything in any place give an answer of fitting entries", () => {
  const random = seeded("documents with anything in any place");
  for (let round = 0; round < 200; round++) {
    const document = JSON.parse(documents.get(random.pick(DOCUMENTS))!);
    for (let i = 0; i < 20; i++) disturb(document, random);
    const translated = bundleOfReference(document);
    for (const [list, entry] of entriesOf(translated)) {
      assertEquals(ENTRIES[list].safeParse(entry).error, undefined);
    }
    const { bundle, toFillIn } = translated;
    assertEquals(SECRET.exec(JSON.stringify({ bundle, toFillIn }))?.[0], undefined);
  }
});

/** Replaces, removes or doubles something below it. */
function disturb(value: unknown, random: Seeded): void {
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  const keys = Object.keys(object);
  if (keys.length === 0) return;
  const key = random.pick(keys);
  const inner = object[key];
  const isLeaf = typeof inner !== "object" || inner === null;
  if (!isLeaf && random.below(4) > 0) return disturb(inner, random);
  const choice = random.below(3);
  if (choice === 0) delete object[key];
  else if (choice === 1 && Array.isArray(value)) value.push(inner);
  else object[key] = random.pick(ODD);
}
