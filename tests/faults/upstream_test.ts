/**
 * F02 to F07, F10, F13: upstream servers that cannot be reached, are silent, slow or break off, that
 * say nonsense, or lead elsewhere, behind three replicas. One replica in the short form.
 *
 * @module
 * @see security.md, section 5.1; contract.md, section 8, "Gateway failures"
 */
import { deepStrictEqual as assertEquals, match, ok as assert } from "node:assert/strict";
import { processRssBytes } from "../bench/proc.ts";
import { figure, timed } from "../support/figures.ts";
import { entryOf, type Fleet, isGood, longTest, openFleet, pause } from "../support/fleet.ts";
import { IS_LONG } from "../support/long.ts";
import { openBlackHole } from "../support/free_port.ts";
import { type Hostile, startHostile } from "../support/hostile.ts";
import type { ModernReply } from "../support/modern.ts";
import { NEVER_HOLDS_BACK } from "../support/processes.ts";
import { replicasTest } from "../support/replicas.ts";
import { until } from "../support/until.ts";

const CONNECT_MS = IS_LONG ? 5_000 : 1_000;
const SILENCE_MS = 2_000;
const CALL_MS = 4_000;
const SOON_MS = 100;
const SOCKETS_MS = 5_000;
const RISE_MIB_MAX = 32;
const MEBIBYTE = 1024 * 1024;
const TIMES = IS_LONG ? 100 : 20;
const UPSTREAM_SECRET = "only-for-this-server-5e1f";

/** The answer came whole before the connection was lost. */
const WHOLE = ["reset-after-stream-result", "reset-after-result"] as const;
const RESET_MS = 200;
const GARBAGE = [
  "html",
  "html-as-json",
  "truncated",
  "wrong-id",
  "id-null",
  "result-and-error",
  "only-other-result",
  "not-http",
  "trailing-garbage",
  "json-null",
];
/** The right answer is among what they say; it may be given, nothing else may. */
const AMBIGUOUS = ["two-results", "other-result-first", "extra-reply"];
const ELSEWHERE = ["redirect-301-elsewhere", "redirect-307-elsewhere"];
const BOMBS = ["gzip-bomb", "gzip-bomb-stream", "big", "sse-long-line", "sse-endless-line"];
const FAULTS = [
  "never-answers",
  "slow-body",
  "reset-mid-stream",
  ...WHOLE,
  ...GARBAGE,
  ...AMBIGUOUS,
  ...ELSEWHERE,
  ...BOMBS,
];

interface World extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly hostile: Hostile;
  /** Calls the tool that is the fault. */
  readonly call: (fault: string) => Promise<ModernReply>;
}

let opened: Promise<World> | undefined;

/** The same for all tests of this file. */
function world(): Promise<World> {
  return opened ??= openWorld();
}

Deno.test.afterAll(async () => await (await opened)?.[Symbol.asyncDispose]());

async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const hostile = stack.use(await startHostile());
  const hole = stack.use(await openBlackHole());
  const tls = await openExpired(stack);
  const headers = { "X-Api-Key": UPSTREAM_SECRET };
  const entries = FAULTS.map((fault) => {
    return [fault, { ...entryOf(hostile.origin, `/mcp/${fault}`), headers }];
  });
  const fleet = stack.use(
    await openFleet({
      count: IS_LONG ? 3 : 1,
      servers: {
        ...Object.fromEntries(entries),
        hole: entryOf(`http://127.0.0.1:${hole.port}`),
        nowhere: { ...entryOf("http://gone.invalid"), headers },
        expired: { ...entryOf(`https://localhost:${tls.port}`), headers },
      },
      env: {
        CONNECT_TIMEOUT: `${CONNECT_MS}ms`,
        TOOL_TIMEOUT: `${SILENCE_MS}ms`,
        TOOL_TIMEOUT_MAX: `${CALL_MS}ms`,
        DENO_CERT: tls.authority,
        ...NEVER_HOLDS_BACK,
      },
    }),
  );
  const kept = stack.move();
  return {
    fleet,
    hostile,
    call: (fault) => fleet.call(fault, fault),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

longTest(
  "F02: a server that takes no connection costs the time to connect, no more",
  async () => {
    const { fleet } = await world();
    // Which era it speaks cannot be found out either: that takes as long, and once.
    let reply: ModernReply | undefined;
    const ms = await timed(async () => reply = await fleet.call("hole", "any"));
    assertFailed(reply!);
    figure("F02", "black hole: reply after", ms, `${CONNECT_MS} ± 500`, " ms");
  },
);

longTest(
  "F03: a server that never answers costs the silence that a call may have",
  async () => {
    const { hostile, call } = await world();
    const before = (await hostile.stats()).connectionsOpen;
    let reply: ModernReply | undefined;
    const ms = await timed(async () => reply = await call("never-answers"));
    assertFailed(reply!);
    figure("F03", "no answer: reply after", ms, `${SILENCE_MS} ± 500`, " ms");
    const closed = await timed(() =>
      until("its sockets", async () => (await hostile.stats()).connectionsOpen <= before)
    );
    figure("F03", "sockets are back after", closed, `at most ${SOCKETS_MS}`, " ms");
  },
);

longTest(
  "F04: a server that drips its answer is cut off when the call's time is over",
  async () => {
    const { call } = await world();
    let reply: ModernReply | undefined;
    const ms = await timed(async () => reply = await call("slow-body"));
    assertFailed(reply!);
    figure("F04", "1 byte/s: reply after", ms, `at most ${CALL_MS}`, " ms");
  },
);

replicasTest(
  "F05: a stream that breaks off before the result is an unknown outcome, called once",
  async () => {
    const { hostile, call } = await world();
    const before = await hostile.executions("reset-mid-stream");
    const reply = await call("reset-mid-stream");
    assertFailed(reply);
    match(reply.text, /not known|unknown|may have/i);
    const executions = await hostile.executions("reset-mid-stream") - before;
    figure("F05", "broken off: executions", executions, "1");
    assertEquals(executions, 1);
  },
);

replicasTest("F06: a connection that is lost behind the result costs nothing", async () => {
  const { call } = await world();
  const replies = await Promise.all(Array.from({ length: TIMES }, () => call(WHOLE[0])));
  for (let i = 0; i < TIMES / 5; i++) {
    replies.push(await call(WHOLE[1]));
    // It is reset a moment later. Until then it looks as if it could be used again.
    await pause(RESET_MS);
  }
  const good = replies.filter(isGood).length;
  const share = 100 * good / replies.length;
  figure("F06", `reset behind the result: ${replies.length} calls succeeded`, share, "100", " %");
  assertEquals(replies.filter((one) => !isGood(one)).map(({ text }) => text), []);
});

replicasTest("F07: nonsense is an error for its caller, at once, and never a result", async () => {
  const { call } = await world();
  const took: number[] = [];
  for (const fault of [...GARBAGE, ...AMBIGUOUS]) {
    let reply: ModernReply | undefined;
    // What is found out once about a server is no part of it.
    await call(fault);
    took.push(await timed(async () => reply = await call(fault)));
    if (AMBIGUOUS.includes(fault) && isGood(reply!)) assertOwn(fault, reply!);
    else assertFailed(reply!);
  }
  const bar = `at most ${SOON_MS}`;
  figure("F07", `${took.length} kinds of nonsense: slowest error`, Math.max(...took), bar, " ms");
});

replicasTest(
  "F10: nothing is sent to where a server leads, and nothing without its certificate",
  async () => {
    const { fleet, hostile, call } = await world();
    for (const fault of ELSEWHERE) assertFailed(await call(fault));
    for (const server of ["nowhere", "expired"]) assertFailed(await fleet.call(server, "any"));
    const { requests } = await hostile.stats();
    const led = requests.filter(({ target }) => target.startsWith("/elsewhere"));
    figure("F10", "redirect, no such name, expired TLS: credentials leaked", led.length, "0");
    assertEquals(led, []);
    assertEquals(said.filter((text) => text.includes(UPSTREAM_SECRET)), []);
  },
);

longTest("F13: what has no end is cut off, and does not fill the memory", async () => {
  const { fleet } = await world();
  const replica = fleet.replicas[0]!;
  const at = replica.origin;
  for (const fault of ["truncated", "wrong-id"]) await fleet.call(fault, fault, { at });
  for (const fault of BOMBS) {
    const before = processRssBytes(replica.pid());
    let most = before;
    const timer = setInterval(() => most = Math.max(most, processRssBytes(replica.pid())), 20);
    assertFailed(await fleet.call(fault, fault, { at }));
    clearInterval(timer);
    const rise = (most - before) / MEBIBYTE;
    figure("F13", `${fault}: memory rises by`, rise, `at most ${RISE_MIB_MAX}`, " MiB");
  }
});

/** Whatever came in clear behind a handshake that should not succeed. */
const said: string[] = [];

/** A TLS server whose certificate was good once; its authority is trusted. */
async function openExpired(stack: AsyncDisposableStack) {
  const dir = new URL("../../fixtures/expired/", import.meta.url).pathname;
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: await Deno.readTextFile(`${dir}certificate.pem`),
    key: await Deno.readTextFile(`${dir}key.pem`),
  });
  stack.defer(() => listener.close());
  void (async () => {
    for await (const connection of listener) {
      const reader = connection.readable.pipeThrough(new TextDecoderStream());
      void (async () => {
        for await (const text of reader) said.push(text);
      })().catch(() => {});
    }
  })().catch(() => {});
  return { port: (listener.addr as Deno.NetAddr).port, authority: `${dir}authority.pem` };
}

function assertFailed(reply: ModernReply): void {
  assert(!isGood(reply), reply.text.slice(0, 500));
  assert(!reply.text.includes(UPSTREAM_SECRET));
}

/** What was said to nobody, or too late, is nobody's. */
function assertOwn(fault: string, { text }: ModernReply): void {
  assert(!/smuggled|second|not yours/i.test(text), `${fault}: ${text}`);
}
