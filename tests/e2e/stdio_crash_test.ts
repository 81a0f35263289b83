/**
 * Stdio servers that crash: whoever waits is told what happened, in one sentence and without
 * secrets; the next one gets a new process; one that cannot live is left alone for longer and longer.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals, match } from "node:assert/strict";
import { badOverStdio, everythingOverStdio } from "../support/api_world.ts";
import type { Message } from "../support/modern.ts";
import { messageOf, openModern, type OpenReply, responseOf } from "../support/open_reply.ts";
import { toolCall } from "../support/session_client.ts";
import { openStdioGateway, OWN_PATH, type StdioGateway } from "../support/stdio_gateway.ts";
import { tempDir } from "../support/temp_dir.ts";
import { until } from "../support/until.ts";

const onLinux = { ignore: Deno.build.os !== "linux" };
const PROGRESS = "notifications/progress";
const KILLED = /^The upstream server's process was ended by SIGKILL/;
const META = { progressToken: "token" };
/** What `bad.ts` writes to its log. It is one because it is in the environment of the entry. */
const SECRET = "sk-verysecretvalue";

/** Says that it works, again and again, and does not end by itself. */
const STEPS = { count: 1_000, ms: 100 };

for (const [path, prefix] of [[OWN_PATH, ""], ["/mcp", "files-"]] as const) {
  const steps = toolCall(`${prefix}test_steps`, STEPS, "token");

  Deno.test(`a process killed in a call of a session on ${path} is told`, onLinux, async () => {
    await using world = await openStdioGateway(everythingOverStdio("legacy"));
    await using session = await world.open(path);
    using stream = await session.open(steps);
    match(toldBy(await killedIn(world, stream)), KILLED);
  });

  Deno.test(`a process killed in a stateless call on ${path} is told`, onLinux, async () => {
    await using world = await openStdioGateway(everythingOverStdio("modern"));
    const { origin, token } = world;
    const call = { path, token, params: steps.params!, meta: META };
    using stream = await openModern(origin, call);
    match(toldBy(await killedIn(world, stream)), KILLED);
  });

  Deno.test(`a session on ${path} goes on with a new process`, onLinux, async () => {
    await using world = await openStdioGateway(everythingOverStdio("legacy"));
    await using session = await world.open(path);
    using stream = await session.open(steps);
    await killedIn(world, stream);
    await until("an answer", async () => {
      const { response } = await session.send(toolCall(`${prefix}test_simple_text`));
      return toldBy(response).startsWith("This is");
    }, 30_000);
  });
}

Deno.test("a call that the server crashes over is not carried out twice", async () => {
  await using dir = await tempDir();
  const starts = `${dir.path}/starts`;
  await using world = await openStdioGateway(counted(badOverStdio("exit-mid-call"), starts));
  await using session = await world.open();
  const before = await linesIn(starts);
  const { response } = await session.send(toolCall("any"));
  match(toldBy(response), /ended with code 7 \(last line of its log: "out of cheese/);
  assertEquals(await linesIn(starts), before);
});

Deno.test("what a server said last is told and logged without its secrets", async () => {
  const entry = { ...badOverStdio("exit-mid-call"), env: { API_KEY: SECRET } };
  await using world = await openStdioGateway(entry, { env: { LOG_LEVEL: "debug" } });
  await using session = await world.open();
  const { text } = await session.send(toolCall("any"));
  await until("the log", () => world.program.stderr().includes("out of cheese"));
  assert(!text.includes(SECRET), text);
  assert(!world.program.stderr().includes(SECRET));
});

Deno.test("a server that cannot live is started far less often than it is asked for", async () => {
  await using dir = await tempDir();
  const starts = `${dir.path}/starts`;
  const entry = { ...counted(badOverStdio("exit"), starts), env: { API_KEY: SECRET } };
  await using world = await openStdioGateway(entry, {
    env: { UNHEALTHY_THRESHOLD: "1000" },
  });
  const said = new Set<string>();
  for (let i = 0; i < 200; i++) {
    said.add(await world.open().then(() => "opened", (error: Error) => error.message));
  }
  const count = await linesIn(starts);
  assert(count > 0 && count < 40, `${count} starts`);
  assert([...said].every((text) => text !== "opened" && !text.includes(SECRET)));
  assert(
    [...said].some((text) => /started again in [\d.]+ s at the earliest: .*code 3/.test(text)),
  );
});

Deno.test("a program that is not there is told without its path", async () => {
  const command = "/no/such/program-of-the-test";
  await using world = await openStdioGateway({ command, args: [] });
  const message = await world.open().then(() => "opened", (error: Error) => error.message);
  assert(message.includes("its program was not found"), message);
  assert(!message.includes(command), message);
});

Deno.test("a process that is killed does not disturb the sessions of others", onLinux, async () => {
  await using world = await openStdioGateway(everythingOverStdio("legacy"));
  await using other = await world.open();
  await other.send(toolCall("test_counter"));
  const before = await world.mark.running();
  await using session = await world.open();
  const mine = (await world.mark.running()).filter((pid) => !before.includes(pid));
  assert(mine.length > 0);
  using stream = await session.open(toolCall("test_steps", STEPS, "token"));
  await messageOf(stream, PROGRESS, 15_000);
  world.mark.kill(mine);
  match(toldBy(await responseOf(stream, 15_000)), KILLED);
  // The count is one of the process: it is the same as before.
  const { response } = await other.send(toolCall("test_counter"));
  assertEquals(toldBy(response), "2");
});

/** Kills all processes of the server while this call runs, and gives the answer. */
async function killedIn({ mark }: StdioGateway, stream: OpenReply): Promise<Message> {
  await messageOf(stream, PROGRESS, 15_000);
  mark.kill(await mark.running());
  return await responseOf(stream, 15_000);
}

/** The same server, with a line in a file for each start. */
function counted({ command, args }: { command: string; args: readonly string[] }, file: string) {
  const script = 'echo started >> "$1"; shift; exec "$@"';
  return { command: "sh", args: ["-c", script, "sh", file, command, ...args] };
}

async function linesIn(file: string): Promise<number> {
  const text = await Deno.readTextFile(file).catch(() => "");
  return text.split("\n").length - 1;
}

/** The text of an answer, whether the call succeeded or not. */
function toldBy({ result, error }: Message): string {
  const { content } = (result ?? {}) as { content?: { text: string }[] };
  return content?.[0]?.text ?? (error as { message: string } | undefined)?.message ?? "";
}
