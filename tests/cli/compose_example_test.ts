/**
 * What `examples/compose/` names is there.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { ENTRIES } from "../../src/config/entries.ts";
import { pathOf } from "../support/spawn.ts";

const read = (name: string) => Deno.readTextFile(pathOf(`examples/compose/${name}`));

Deno.test("the settings of the compose file are settings", async () => {
  const compose = await read("compose.yaml");
  const gateway = /^x-gateway:.*?(?=^\S)/ms.exec(compose)![0];
  const names = [...gateway.matchAll(/^ {4}([A-Z_]+):/gm)].map(([, name]) => name!);
  const known: readonly string[] = Object.values(ENTRIES).map(({ env }) => env);
  assert(names.length > 3);
  assertEquals(names.filter((name) => !known.includes(name)), []);
});

Deno.test("what the compose file asks of the environment, start.sh makes up", async () => {
  const asked = (await read("compose.yaml")).matchAll(/\$\{(\w+)\}/g);
  const made = /for name in ([A-Z_ ]+);/.exec(await read("start.sh"))![1]!.split(" ");
  assertEquals(new Set(asked.map(([, name]) => name)), new Set(made));
});

Deno.test("each replica of the compose file is one of the balancer's", async () => {
  const replicas = (await read("compose.yaml")).matchAll(/^ {2}(gateway-\d):/gm);
  const servers = (await read("haproxy.cfg")).matchAll(/^ {2}server \w+ ([\w-]+):4444$/gm);
  assertEquals([...servers].map(([, host]) => host), [...replicas].map(([, name]) => name));
});
