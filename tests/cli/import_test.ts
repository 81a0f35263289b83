/**
 * `import openapi`: what it says, and what it leaves in the database.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { runProgram } from "../support/program.ts";
import { pathOf } from "../support/spawn.ts";
import { tempDir } from "../support/temp_dir.ts";

const SERVERS = [{ url: "https://api.example.com" }];
const DOCUMENT = {
  openapi: "3.1.0",
  info: { title: "Pets" },
  servers: SERVERS,
  paths: {
    "/pets": {
      get: { operationId: "listPets", security: [{ key: [] }] },
      trace: { operationId: "tracePets" },
    },
  },
  components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
};

/** Runs it in a directory of its own, on what stands in `api.json` there. */
async function open() {
  const dir = await tempDir();
  return {
    dir: dir.path,
    async run(document: unknown, ...args: string[]) {
      await Deno.writeTextFile(`${dir.path}/api.json`, JSON.stringify(document));
      return await runProgram(["import", "openapi", "api.json", ...args], { cwd: dir.path });
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("an import says what became of each operation", async () => {
  await using world = await open();
  const { code, stdout, stderr } = await world.run(DOCUMENT);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trimEnd().split("\n"), [
    "Created: 1",
    "  listPets",
    "Changed: 0",
    "Removed: 0",
    "As before: 0",
    "Not possible: 1",
    "  TRACE /pets: Tools cannot use the method TRACE",
    "Credentials to fill in:",
    "  key (bearer, token) for 1 tools",
  ]);
});

Deno.test("a second import says what has changed", async () => {
  await using world = await open();
  await world.run(DOCUMENT);
  const { get } = DOCUMENT.paths["/pets"];
  const paths = { "/pets": { get: { ...get, summary: "Pets" }, post: { operationId: "addPet" } } };
  const { stdout } = await world.run({ ...DOCUMENT, paths });
  assertEquals(stdout.split("\n").slice(0, 4), [
    "Created: 1",
    "  addPet",
    "Changed: 1",
    "  listPets: title, description",
  ]);
});

Deno.test("the data directory is the one that is named", async () => {
  await using world = await open();
  await world.run(DOCUMENT, "--data", "there");
  const names = await Array.fromAsync(Deno.readDir(`${world.dir}/there`), ({ name }) => name);
  assert.ok(names.includes("sallyport.db"), names.join());
});

Deno.test("a document of which nothing can be made is a failure", async () => {
  await using world = await open();
  const { code, stdout } = await world.run({ ...DOCUMENT, servers: undefined });
  assertEquals([code, stdout.includes("without a base URL")], [1, true]);
});

for (
  const [what, args, code, text] of [
    ["a base URL that is none", ["--base-url", "api.example.com"], 2, "--base-url must be"],
    ["a prefix with spaces", ["--prefix", "a b"], 2, "--prefix must be"],
  ] as const
) {
  Deno.test(`${what} ends with ${code}`, async () => {
    await using world = await open();
    const ended = await world.run(DOCUMENT, ...args);
    assertEquals([ended.code, ended.stderr.includes(text)], [code, true], ended.stderr);
  });
}

Deno.test("a file that is not there, or is no document, is named in one line", async () => {
  await using world = await open();
  const missing = await runProgram(["import", "openapi", "none.yaml"], { cwd: world.dir });
  assertEquals(missing.code, 1);
  assert.match(missing.stderr, /^sallyport: The file "none.yaml" cannot be read: .+\n$/);
  const ended = await world.run({ swagger: "2.0" });
  assertEquals(ended.code, 1);
  assert.match(ended.stderr, /^sallyport: The document is of version "2.0".+\n$/);
});

Deno.test("the petstore's own document needs no base URL", async () => {
  await using world = await open();
  const file = pathOf("fixtures/petstore/openapi.yaml");
  const { code, stdout } = await runProgram(["import", "openapi", file], { cwd: world.dir });
  assertEquals([code, stdout.split("\n")[0]], [0, "Created: 10"]);
});
