/**
 * Many clients at once that all use the same request id and the same progress token: each gets
 * what is its own, and nothing else.
 *
 * One crowd is sent in once; every test looks at another side of what came of it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
} from "../support/everything.ts";
import { descriptorsBack, openDescriptors } from "../support/file_descriptors.ts";
import { callModern, type Message, type ModernCall } from "../support/modern.ts";
import { messageOf, openModern, type OpenReply, responseOf } from "../support/open_reply.ts";
import { type Scripted, startScripted } from "../support/scripted.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const CLIENTS = 200;
const KINDS = ["echo", "slow", "progress", "listen"] as const;
const SUBSCRIPTIONS = ["tools", "prompts"] as const;
/** The same for everybody, on purpose. */
const ID = "7";
const TOKEN = "same-for-all";
const CALM_MS_MAX = 30_000;

type Kind = typeof KINDS[number];

interface Member {
  readonly index: number;
  readonly kind: Kind;
  readonly reply: OpenReply;
  /** Leaves in the middle. */
  readonly leaves: boolean;
}

let world: EverythingWorld;
let scripted: Scripted;
let tokens: readonly string[];
let crowd: readonly Member[];
let baseDescriptors: number;

Deno.test.beforeAll(async () => {
  scripted = await startScripted(({ rpc }) =>
    rpc.params.name === "hang" ? { bytes: "", then: "hold" } : undefined
  );
  world = await openEverythingWorld({ more: { scripted: scripted.origin } });
  tokens = [await mintToken({ sub: "a@example.com" }), await mintToken({ sub: "b@example.com" })];
  await Promise.all(tokens.map((token) => callModern(world.gateway.origin, simpleCall(token))));
  if (Deno.build.os === "linux") baseDescriptors = await openDescriptors(world.gateway.pid);
  crowd = await sendCrowd();
});

Deno.test.afterAll(async () => {
  for (const { reply } of crowd ?? []) reply.close();
  await world?.[Symbol.asyncDispose]();
  await scripted?.[Symbol.asyncDispose]();
});

Deno.test("every client that stayed has its answer", () => {
  const waiting = staying().filter(({ kind, reply }) => kind !== "listen" && !responseIn(reply));
  assertEquals(waiting.map(({ index }) => index), []);
});

Deno.test("every answer has the id that its client chose", () => {
  const ids = staying().flatMap(({ reply }) => responseIn(reply)?.id ?? []);
  assertEquals(ids.filter((id) => id !== Number(ID)), []);
});

Deno.test("SESS-03: no client gets the answer of another one", () => {
  const wrong = staying().filter(({ kind, index, reply }) =>
    kind !== "listen" && textIn(responseIn(reply)) !== expectedText(kind, index)
  );
  assertEquals(wrong.map(({ index, reply }) => [index, reply.text().slice(0, 200)]), []);
});

Deno.test("SESS-03, SESS-14: no client gets the progress of another one", () => {
  const wrong = staying().filter(({ kind, index, reply }) => {
    const steps = paramsOf(reply, "notifications/progress");
    const total = kind === "progress" ? stepsOf(index) : 0;
    const expected = Array.from({ length: total }, (_, at) => at + 1);
    return steps.map(({ progress }) => progress).join() !== expected.join() ||
      steps.some((step) => step.total !== total || step.progressToken !== TOKEN);
  });
  assertEquals(wrong.map(({ index, reply }) => [index, reply.text().slice(0, 300)]), []);
});

Deno.test("every subscription hears its own kind of change, once", () => {
  const wrong = staying().filter(({ kind, index, reply }) => {
    const changes = reply.messages().map(({ method }) => String(method))
      .filter((method) => method.endsWith("list_changed"));
    const expected = kind === "listen" ? [`notifications/${wantedBy(index)}/list_changed`] : [];
    return changes.join() !== expected.join();
  });
  assertEquals(wrong.map(({ index, reply }) => [index, reply.text().slice(0, 300)]), []);
});

Deno.test("every message of a subscription names the id that its client chose", () => {
  const ids = staying().filter(({ kind }) => kind === "listen").flatMap(({ reply }) =>
    reply.messages().map(({ params }) =>
      ((params as Message)._meta as Message)["io.modelcontextprotocol/subscriptionId"]
    )
  );
  assertEquals(ids.filter((id) => id !== Number(ID)), []);
});

Deno.test("when all have left no stream is open at the upstream", async () => {
  for (const { reply } of crowd) reply.close();
  const isCalm = async () => (await world.upstream.stats()).openStreams === 0;
  await until("all streams at the upstream are closed", isCalm, 10_000);
});

Deno.test({
  name: "when all have left the gateway holds no more descriptors than before",
  ignore: Deno.build.os !== "linux",
  async fn() {
    for (const { reply } of crowd) reply.close();
    await descriptorsBack(world.gateway.pid, baseDescriptors);
  },
});

Deno.test("SESS-14: a principal cannot cancel the call of another one by guessing its id", async () => {
  using call = await openModern(world.gateway.origin, {
    path: "/servers/scripted/mcp",
    token: tokens[0]!,
    params: { name: "hang", arguments: {} },
  });
  const { rpc } = await until(
    "the call is there",
    () => scripted.requests.find((request) => request.rpc.params.name === "hang"),
  );
  await callModern(world.gateway.origin, {
    path: "/servers/scripted/mcp",
    token: tokens[1]!,
    method: "notifications/cancelled",
    idText: "",
    params: { requestId: JSON.parse(rpc.idText) },
  });
  const cancelled = scripted.requests.filter(({ rpc: { method, params } }) =>
    method === "notifications/cancelled" && JSON.stringify(params.requestId) === rpc.idText
  );
  assertEquals([call.ended(), cancelled.map(({ body }) => body)], [undefined, []]);
});

Deno.test("a client that cancels by its own id does not name the id of another call", async () => {
  const before = scripted.requests.length;
  await callModern(world.gateway.origin, {
    path: "/servers/scripted/mcp",
    token: tokens[0]!,
    method: "notifications/cancelled",
    idText: "",
    params: { requestId: 1, reason: "Changed my mind" },
  });
  const named = scripted.requests.slice(before).map(({ rpc }) => rpc.params.requestId);
  assertEquals(named, [], "the id 1 means something else on the way to the upstream");
});

/** Sends all in, lets some leave in the middle, and waits until the others are served. */
async function sendCrowd(): Promise<readonly Member[]> {
  const members = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, index): Promise<Member> => {
      const kind = KINDS[index % KINDS.length]!;
      const reply = await openModern(world.gateway.origin, callOf(kind, index));
      return { index, kind, reply, leaves: index % 20 >= 16 };
    }),
  );
  const listening = members.filter(({ kind }) => kind === "listen");
  const acknowledged = "notifications/subscriptions/acknowledged";
  await Promise.all(listening.map(({ reply }) => messageOf(reply, acknowledged, CALM_MS_MAX)));
  const slow = members.filter(({ kind }) => kind === "slow").length;
  await until(
    "all slow calls run",
    async () => (await world.upstream.stats()).started === slow,
    CALM_MS_MAX,
  );
  for (const { reply, leaves } of members) if (leaves) reply.close();
  for (const what of ["tool", "prompt"]) {
    const name = `test_trigger_${what}_change`;
    await callModern(world.gateway.origin, { ...simpleCall(tokens[0]!), params: { name } });
  }
  const served = members.filter(({ leaves }) => !leaves).map(({ kind, index, reply }) =>
    kind === "listen"
      ? messageOf(reply, `notifications/${wantedBy(index)}/list_changed`, CALM_MS_MAX)
      : responseOf(reply, CALM_MS_MAX)
  );
  // Who is not served is what the tests are about.
  await Promise.allSettled(served);
  return members;
}

function callOf(kind: Kind, index: number): ModernCall {
  const call = simpleCall(tokens[Math.floor(index / KINDS.length) % tokens.length]!);
  if (kind === "listen") {
    const filter = { [`${wantedBy(index)}ListChanged`]: true };
    return { ...call, method: "subscriptions/listen", params: { notifications: filter } };
  }
  const calls = {
    echo: { name: "test_echo", arguments: { marker: index } },
    slow: { name: "test_slow", arguments: { ms: 3_000, label: `of ${index}` } },
    progress: { name: "test_many_notifications", arguments: { count: stepsOf(index) } },
  };
  return { ...call, params: calls[kind] };
}

function simpleCall(token: string): ModernCall {
  return {
    path: EVERYTHING_PATH,
    token,
    idText: ID,
    meta: { progressToken: TOKEN },
    params: { name: "test_echo", arguments: {} },
  };
}

function expectedText(kind: Kind, index: number): string {
  if (kind === "echo") return JSON.stringify({ marker: index });
  if (kind === "slow") return `Waited 3000 ms: of ${index}`;
  return `Sent ${stepsOf(index)} notifications`;
}

/** Another number for each client, so that a step that went astray shows. */
function stepsOf(index: number): number {
  return 10 + index;
}

function wantedBy(index: number): typeof SUBSCRIPTIONS[number] {
  return SUBSCRIPTIONS[Math.floor(index / 8) % SUBSCRIPTIONS.length]!;
}

function staying(): readonly Member[] {
  return crowd.filter(({ leaves }) => !leaves);
}

function responseIn(reply: OpenReply): Message | undefined {
  return reply.messages().find((message) => "result" in message || "error" in message);
}

function textIn(response: Message | undefined): string | undefined {
  const { content } = (response?.result ?? {}) as { content?: { text: string }[] };
  return content?.[0]?.text;
}

function paramsOf(reply: OpenReply, method: string): Message[] {
  return reply.messages().filter((message) => message.method === method)
    .map(({ params }) => params as Message);
}
