/**
 * Whatever an upstream answers, the client gets a faithful result or one plain failure.
 *
 * The gateway runs with small deadlines. Each fault has an upstream of its own, so that a circuit
 * breaker or a `Retry-After` of one does not touch the others.
 *
 * @module
 */

import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { goodResult, isRecord } from "../../fixtures/hostile/rpc.ts";
import { FAULTS } from "../../fixtures/hostile/table.ts";
import { type BlackHole, freePort, openBlackHole } from "../support/free_port.ts";
import { type Hostile, startHostile } from "../support/hostile.ts";
import {
  callModern,
  type Message,
  modernBytes,
  type ModernCall,
  type ModernReply,
} from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { type Expectation, EXPECTATIONS } from "./hostile_expectations.ts";

const TOOL_TIMEOUT_MS = 2000;
const TOOL_TIMEOUT_MAX_MS = 5000;
const CONNECT_TIMEOUT_MS = 1000;
/** On top of a deadline, for a busy machine. */
const SLACK_MS = 2500;
const BOMB_RSS_BYTES_MAX = 64 * 1024 * 1024;

interface World extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly upstream: Hostile;
}

let world: World;
let observations: Map<string, Promise<Observation>>;

interface Observation {
  readonly reply: ModernReply;
  readonly executions: number;
  readonly durationMs: number;
}

Deno.test.beforeAll(async () => {
  world = await openWorld();
  observations = new Map();
  const slow = Object.entries(EXPECTATIONS).filter(([, { isSlow }]) => isSlow);
  await Promise.allSettled(slow.map(([fault]) => observe(fault)));
});

Deno.test.afterAll(async () => await world[Symbol.asyncDispose]());

Deno.test("every fault of the fixture has an expectation", () => {
  assertEquals(Object.keys(EXPECTATIONS).sort(), FAULTS.map(({ name }) => name).sort());
});

for (const [fault, expected] of Object.entries(EXPECTATIONS)) {
  Deno.test(`${fault}: tools/call gets ${describe(expected)}`, async () => {
    const { reply } = await observe(fault);
    await checkCall(reply, fault, expected);
  });

  Deno.test(`${fault}: nothing of the upstream's making reaches the client beside it`, async () => {
    const { reply } = await observe(fault);
    checkSecrecy(reply, [...expected.hides ?? [], "upstream-secret-7f3a", portOf(world.upstream)]);
  });

  Deno.test(`${fault}: tools/call is executed at most once`, async () => {
    const { executions } = await observe(fault);
    assertEquals(executions, expected.executions ?? 1);
  });

  if (expected.fails) {
    Deno.test(`${fault}: resources/read gets ${describe(expected)}`, async () => {
      const reply = await read(fault);
      if (expected.relayed && "result" in reply.response) return;
      checkReadFailure(reply, expected.fails!);
    });

    Deno.test(`${fault}: resources/read shows nothing of the upstream's making`, async () => {
      const reply = await read(fault);
      checkSecrecy(reply, [
        ...expected.hides ?? [],
        "upstream-secret-7f3a",
        portOf(world.upstream),
      ]);
    });
  }

  if (!expected.pauses) {
    // A read, because a connection that dies just then leaves the outcome of a call unknown.
    Deno.test(`${fault}: the next read of the same upstream is answered`, async () => {
      await observe(fault);
      const { response } = await read("ok", fault);
      const { contents } = response.result as { contents: { text: string }[] };
      assertEquals(contents[0]!.text, "ok says hello");
    });
  }
}

for (const fault of ["reset-before-reply", "reset-mid-stream", "never-answers", "sse-no-result"]) {
  Deno.test(`${fault}: the caller of a tool is told that the outcome is unknown`, async () => {
    const { reply } = await observe(fault);
    assert.match(textOf(reply.response), /unknown|not known|whether|(may|might|could) have/i);
  });
}

for (const fault of ["status-429", "status-503"]) {
  Deno.test(`${fault}: a failure that passes is marked retryable`, async () => {
    assertEquals(failureOf(await read(fault)).retryable, true);
  });
}

for (const fault of ["never-answers", "silent-after-head", "silent-stream"]) {
  Deno.test(`${fault}: the call ends when the upstream has been silent for TOOL_TIMEOUT`, async () => {
    const { durationMs } = await observe(fault);
    assert(durationMs >= TOOL_TIMEOUT_MS * 0.9, `ended after ${durationMs} ms`);
    assert(durationMs <= TOOL_TIMEOUT_MS + SLACK_MS, `ended after ${durationMs} ms`);
  });
}

for (const fault of ["slow-head", "slow-body", "notification-endless", "sse-endless-comments"]) {
  Deno.test(`${fault}: the call ends at TOOL_TIMEOUT_MAX at the latest`, async () => {
    const { durationMs } = await observe(fault);
    assert(durationMs <= TOOL_TIMEOUT_MAX_MS + SLACK_MS, `ended after ${durationMs} ms`);
  });
}

for (
  const fault of ["redirect-301-elsewhere", "redirect-307-elsewhere", "redirect-303-same-host"]
) {
  Deno.test(`${fault}: the target is never asked`, async () => {
    await call(fault, fault);
    const { requests } = await world.upstream.stats();
    assertEquals(requests.filter(({ target }) => target.startsWith("/elsewhere")), []);
  });
}

Deno.test("status-401: the metadata document that the upstream names is not fetched", async () => {
  await call("status-401", "status-401");
  const { requests } = await world.upstream.stats();
  assertEquals(requests.filter(({ target }) => target.startsWith("/metadata")), []);
});

Deno.test("progress comes under the client's own token, in order, before the result", async () => {
  const reply = await call("progress-then-result", "progress-then-result", {
    meta: { progressToken: "mine" },
  });
  const progress = reply.messages.map((message) => message.params);
  assertEquals(progress, [
    { progressToken: "mine", progress: 1 },
    { progressToken: "mine", progress: 2 },
    { progressToken: "mine", progress: 3 },
    undefined,
  ]);
});

Deno.test("notification-flood: another client is served while it lasts", async () => {
  const flood = call("notification-flood", "notification-flood", { meta: { progressToken: 1 } });
  const other = await call("ok", "ok");
  assertEquals(textOf(other.response), "ok says hello");
  await flood;
});

Deno.test("pretty-late: as an event the message stands in one line", async () => {
  const { reply } = await observe("pretty-late");
  const lines = reply.text.split(/\r\n|\n|\r/).filter((line) => line.startsWith("data:"));
  assertEquals(lines.filter((line) => line.length > "data:".length + 1).length, 1);
});

for (const fault of ["gzip-bomb", "gzip-bomb-stream", "sse-endless-line", "deep"]) {
  const title = `${fault}: memory rises by less than ${BOMB_RSS_BYTES_MAX / 1024 / 1024} MiB`;
  Deno.test({
    name: title,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await call("ok", "ok");
      const before = await forgetPeak(world.gateway.pid);
      await call(fault, fault);
      const rise = await peakRssBytes(world.gateway.pid) - before;
      assert(rise < BOMB_RSS_BYTES_MAX, `rose by ${Math.round(rise / 1024 / 1024)} MiB`);
    },
  });
}

Deno.test("a call that was given up is ended at the upstream too", async () => {
  const before = (await world.upstream.stats()).aborted;
  await call("never-answers", "never-answers");
  await until(
    "the upstream sees its client leave",
    async () => (await world.upstream.stats()).aborted > before,
  );
});

for (
  const [when, fault] of [
    ["before the reply has begun", "never-answers"],
    ["while its stream is open", "silent-stream"],
  ] as const
) {
  Deno.test(`a client that leaves ${when} ends the call at the upstream`, async () => {
    const before = await world.upstream.stats();
    const url = new URL(world.gateway.origin);
    const client = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
    await client.write(
      modernBytes(world.gateway.origin, {
        path: `/servers/${fault}/mcp`,
        params: { name: fault, arguments: {} },
        meta: { progressToken: "mine" },
      }),
    );
    await until("the upstream is asked", async () => {
      return await world.upstream.executions(fault) > (before.executions[fault] ?? 0);
    });
    if (fault === "silent-stream") await client.read(new Uint8Array(1024));
    client.close();
    await until(
      "the upstream sees its client leave",
      async () => (await world.upstream.stats()).aborted > before.aborted,
    );
  });
}

Deno.test("refused connection: tools/call gets isError", async () => {
  await checkCall(await call("refused", "any"), "any", { fails: [] });
});

Deno.test("refused connection: tools/call is answered within 1 s", async () => {
  const begin = performance.now();
  await call("refused", "any");
  const durationMs = performance.now() - begin;
  assert(durationMs < 1000, `answered after ${durationMs} ms`);
});

Deno.test("refused connection: other methods get -31001", async () => {
  checkReadFailure(await read("refused"), [-31001]);
});

Deno.test("refused connection: a list is a failure, not an empty list", async () => {
  const reply = await callModern(world.gateway.origin, {
    path: "/servers/refused/mcp",
    method: "tools/list",
  });
  checkReadFailure(reply, [-31001]);
});

Deno.test("connection that hangs: tools/call ends at CONNECT_TIMEOUT", async () => {
  const begin = performance.now();
  await checkCall(await call("blackhole", "any"), "any", { fails: [] });
  const durationMs = performance.now() - begin;
  assert(durationMs < CONNECT_TIMEOUT_MS + SLACK_MS, `answered after ${durationMs} ms`);
});

Deno.test("connection that hangs: other methods get -31001 or -31002", async () => {
  checkReadFailure(await read("blackhole"), [-31001, -31002]);
});

async function openWorld(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startHostile());
  const hole: BlackHole = stack.use(await openBlackHole());
  const urls = {
    ...Object.fromEntries(FAULTS.map(({ name }) => [name, `${upstream.origin}/mcp/${name}`])),
    refused: `http://127.0.0.1:${freePort()}/mcp`,
    blackhole: `http://127.0.0.1:${hole.port}/mcp`,
  };
  const gateway = stack.use(
    await startGateway({
      config: {
        mcpServers: Object.fromEntries(
          Object.entries(urls).map(([name, url]) => [name, { type: "http", url }]),
        ),
      },
      env: {
        MCP_REQUIRE_AUTH: "false",
        TOOL_TIMEOUT: "2s",
        TOOL_TIMEOUT_MAX: "5s",
        FIRST_BYTE_TIMEOUT: "2s",
        CONNECT_TIMEOUT: "1s",
        RESPONSE_BODY_MAX: "1MiB",
        HEALTH_CHECK_INTERVAL: "1h",
        UNHEALTHY_THRESHOLD: "1000",
      },
    }),
  );
  return { gateway, upstream, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Calls the tool of a fault once per run of this file. */
function observe(fault: string): Promise<Observation> {
  const known = observations.get(fault);
  if (known) return known;
  const observation = (async () => {
    const before = await world.upstream.executions(fault);
    const begin = performance.now();
    const reply = await call(fault, fault);
    const durationMs = performance.now() - begin;
    return { reply, durationMs, executions: await world.upstream.executions(fault) - before };
  })();
  observations.set(fault, observation);
  return observation;
}

function call(server: string, name: string, more: ModernCall = {}): Promise<ModernReply> {
  return callModern(world.gateway.origin, {
    path: `/servers/${server}/mcp`,
    params: { name, arguments: {} },
    ...more,
  });
}

function read(fault: string, server = fault): Promise<ModernReply> {
  return callModern(world.gateway.origin, {
    path: `/servers/${server}/mcp`,
    method: "resources/read",
    params: { uri: `fault://${fault}` },
    options: { deadlineMs: 30_000 },
  });
}

async function checkCall(reply: ModernReply, fault: string, expected: Expectation): Promise<void> {
  const { response } = reply;
  if (expected.relayed === "error") {
    // A 5xx would say something about the gateway, and 503 that nothing was executed.
    assert([200, 400, 404].includes(reply.status), `status ${reply.status}`);
    const { code, message, data } = response.error as Message;
    assertEquals({ message, data }, { message: "Said by the upstream", data: { hint: [1, 2] } });
    assertEquals(code, { "error-404": -32601, "error-500": -32603 }[fault] ?? -32602);
    return;
  }
  assertEquals(reply.status, 200);
  const result = response.result;
  const isFailure = expected.fails && (result as Message | null)?.isError === true;
  if (isFailure) return checkPlainSentence(result as Message);
  assert(expected.relayed, `expected a failure, got ${reply.text.slice(0, 300)}`);
  if (expected.relayed === "good") return assertEquals(result, goodResultOf(fault));
  const direct = await callModern(world.upstream.origin, { params: { name: fault } });
  if (expected.relayed === "same") {
    const text = /"result":.*(?=,"id":1,|\}\s*$)/s.exec(direct.text)![0];
    assert(reply.text.includes(text), `${text}\nis not in\n${reply.text}`);
  } else {
    assertEquals(withoutAddedType(result, direct.response.result), direct.response.result);
  }
}

/** A gateway may add the `resultType` that an upstream left out. */
function withoutAddedType(relayed: unknown, written: unknown): unknown {
  if (!isRecord(relayed) || !isRecord(written) || "resultType" in written) return relayed;
  const { resultType, ...rest } = relayed;
  return resultType === "complete" ? rest : relayed;
}

function checkPlainSentence(result: Message): void {
  const content = result.content as Message[];
  assertEquals(content.map(({ type }) => type), ["text"]);
  assert.match(String(content[0]!.text), /^[A-Z][^\p{Cc}<>{}]{5,299}$/u);
}

function checkReadFailure(reply: ModernReply, codes: readonly number[]): void {
  assertEquals(reply.status, 200);
  const error = reply.response.error as Message | undefined;
  assert(error, `expected an error, got ${reply.text.slice(0, 300)}`);
  assert(codes.includes(Number(error.code)), `code ${error.code} is none of ${codes.join(", ")}`);
  const data = failureOf(reply);
  assertEquals(typeof data.retryable, "boolean");
  assertEquals(typeof data.correlationId, "string");
}

function failureOf(reply: ModernReply): Message {
  return (reply.response.error as Message).data as Message;
}

function checkSecrecy(reply: ModernReply, secrets: readonly string[]): void {
  const whole = `${reply.head}\n${reply.text}`;
  for (const secret of secrets) assert(!whole.includes(secret), `shows "${secret}":\n${whole}`);
}

function textOf(response: Message): string {
  const { content } = response.result as { content: { text: string }[] };
  return content[0]!.text;
}

function goodResultOf(fault: string): unknown {
  if (fault === "two-results") {
    return { resultType: "complete", content: [{ type: "text", text: "first" }] };
  }
  const params = { name: fault, arguments: {} };
  return goodResult({ message: {}, method: "tools/call", params, idText: "1" }, fault);
}

function portOf({ origin }: { origin: string }): string {
  return new URL(origin).port;
}

function describe({ relayed, fails }: Expectation): string {
  const kinds = { good: "the result", same: "the same bytes", alike: "the same JSON" };
  const ways = [
    ...relayed === undefined ? [] : relayed === "error" ? ["its error"] : [kinds[relayed]],
    ...fails ? ["one plain failure"] : [],
  ];
  return ways.join(" or ");
}

/** Sets the peak to what is resident now, and returns that. */
async function forgetPeak(pid: number): Promise<number> {
  await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5");
  return await peakRssBytes(pid);
}

async function peakRssBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
