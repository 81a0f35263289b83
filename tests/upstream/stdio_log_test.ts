/**
 * What stdio servers write to their standard error, in the log of the gateway.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import {
  aRequest,
  aStdioServer,
  bad,
  initialize,
  openStdio,
  openStdioWorld,
} from "../support/stdio.ts";

const SECRET = "sk-verysecretvalue";

Deno.test("a log is written line by line, without secrets", async () => {
  await using world = openStdioWorld();
  const server = bad("exit", { env: { KEY: SECRET } });
  await rejects(world.client.send(server, aRequest(initialize())));
  assert(world.log.some((line) => line.includes("boom: the key is [secret]")));
  assertEquals(world.log.filter((line) => line.includes(SECRET)), []);
});

Deno.test("what a server says to a terminal does not reach the log", async () => {
  await using world = openStdioWorld();
  const script =
    "printf '\\033[31mred\\033[0m \\033]0;title\\007 sk-very\\033[1msecretvalue\\n' >&2; exit 1";
  const server = aStdioServer({ args: ["-c", script], env: { KEY: SECRET } });
  await rejects(world.client.send(server, aRequest(initialize())), /"red .*\[secret\]"/);
  assertEquals(world.log.filter((line) => line.includes("u001b")), []);
});

Deno.test("a flood of log lines is cut off, and the number of those left out is told", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("flood-log"));
  await session.end();
  const written = world.log.filter((line) => line.startsWith("A stdio server wrote {"));
  assertEquals(written.length, LIMITS.stdioLogLines);
  assert(world.log.some((line) => line.includes(`"dropped":${5_000 - LIMITS.stdioLogLines}`)));
});

Deno.test("a long log line is cut, and no half of a secret is left at its end", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("long-log", { env: { KEY: SECRET } }));
  await session.end();
  const [line] = world.log.filter((line) => line.startsWith("A stdio server wrote {"));
  assert(line!.length < LIMITS.stdioLogLineBytes + 200);
  assertEquals(line!.includes("sk-very"), false);
});
