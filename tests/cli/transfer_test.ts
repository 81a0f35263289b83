/**
 * `export` and `import FILE` as processes.
 *
 * @module
 * @see contract.md, section 1
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Ended, runProgram } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";
import { FULL, PASSPHRASE, SECRETS } from "../support/transfer_world.ts";

/** A directory with the bundle `full.json` and the passphrase in it. */
async function open() {
  const dir = await tempDir();
  const write = (name: string, text: string) => Deno.writeTextFile(`${dir.path}/${name}`, text);
  await write("full.json", JSON.stringify(FULL));
  await write("pass", `${PASSPHRASE}\n`);
  await write("sallyport.json", JSON.stringify({ mcpServers: { files: { command: "true" } } }));
  return {
    path: dir.path,
    write,
    read: (name: string) => Deno.readTextFile(`${dir.path}/${name}`),
    run: (...args: string[]): Promise<Ended> => runProgram(args, { cwd: dir.path }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("a configuration goes from one database to another by two commands", async () => {
  await using world = await open();
  const first = await world.run("import", "full.json", "--data", "a");
  assertEquals([first.code, first.stderr], [0, ""]);
  assert.match(first.stdout, /^Created: 17\n {2}team Platform\n/);
  const out = await world.run("export", "out.json", "--data", "a", "--passphrase-file", "pass");
  assertEquals([out.code, out.stdout, out.stderr], [0, "", ""]);
  assertEquals((await Deno.stat(`${world.path}/out.json`)).mode! & 0o777, 0o600);
  const there = ["--data", "b", "--passphrase-file", "pass"];
  const second = await world.run("import", "out.json", ...there);
  assertEquals([second.code, second.stderr], [0, ""]);
  assert.ok(!second.stdout.includes("Secrets to fill in"), second.stdout);
  const again = await world.run("export", "--data", "b");
  const { secrets: _, ...sealed } = JSON.parse(await world.read("out.json"));
  assertEquals(JSON.parse(again.stdout), sealed);
  assertEquals(Object.values(SECRETS).filter((secret) => again.stdout.includes(secret)), []);
  assert.match(again.stderr, /^Without --passphrase-file, .+: tracker, wiki, get_order\n$/);
});

Deno.test("what cannot be imported is said line by line, and nothing is left of it", async () => {
  await using world = await open();
  const bad = { ...FULL.tools[0], name: "bad", url: "http://127.0.0.1/" };
  await world.write("bad.json", JSON.stringify({ ...FULL, tools: [...FULL.tools, bad] }));
  const dry = await world.run("import", "--dry-run", "bad.json");
  assertEquals([dry.code, dry.stderr], [1, ""]);
  assert.match(dry.stdout, /^Nothing has been changed. It would be:\nCreated: 17\n/);
  assert.match(dry.stdout, /\nNot possible: 1\n {2}tool bad: /);
  const real = await world.run("import", "bad.json");
  assertEquals([real.code, real.stdout], [1, ""]);
  assert.match(
    real.stderr,
    /^sallyport: Nothing was imported: one record .+\nsallyport: {3}tools\.1: .+\n$/,
  );
  await world.write("wrong", "not the passphrase");
  const sealed = await world.run("export", "--passphrase-file", "pass");
  await world.write("sealed.json", sealed.stdout);
  assertEquals(JSON.parse(sealed.stdout).tools, []);
  const wrong = await world.run("import", "sealed.json", "--passphrase-file", "wrong");
  assertEquals(wrong.code, 1);
  assert.match(wrong.stderr, /^sallyport: The passphrase does not open the secrets/);
});
