/**
 * In which form an answer comes: one JSON body or an event stream, by setting, by Accept, and by
 * what the upstream has to say and when.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { callModern, type ModernCall } from "../support/modern.ts";
import { openModern, type OpenReply, statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import { jsonReply, openStreamReply, type Scripted, startScripted } from "../support/scripted.ts";
import { initialize } from "../support/session_client.ts";
import { until } from "../support/until.ts";

const SETTINGS = ["auto", "true", "false"] as const;
const JSON_TYPE = "application/json";
const STREAM_TYPE = "text/event-stream";
/** Until the stream is opened in `auto`, and what a busy machine may add. */
const OPENED_MS_MAX = 1_000 + 500;
const KEEP_ALIVE_MS_MAX = 15_000 + 1_500;
const LOG_MESSAGE = '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}';

const GREETING = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  serverInfo: { name: "scripted", version: "1" },
};

type Setting = typeof SETTINGS[number];

let upstream: Everything;
let scripted: Scripted;
let gateways: Readonly<Record<Setting, Gateway>>;

Deno.test.beforeAll(async () => {
  upstream = await startEverything();
  scripted = await startScripted(({ rpc }) => {
    if (rpc.method === "initialize") {
      const answer = { jsonrpc: "2.0", id: JSON.parse(rpc.idText), result: GREETING };
      return jsonReply(JSON.stringify(answer, null, 2));
    }
    if (rpc.params.name === "hang") return { bytes: "", then: "hold" };
    if (rpc.params.name === "say-and-hang") return openStreamReply([LOG_MESSAGE]);
    return undefined;
  });
  const config = configFor({ everything: upstream.origin, scripted: scripted.origin });
  const started = await Promise.all(SETTINGS.map(async (setting) => {
    const env = {
      MCP_REQUIRE_AUTH: "false",
      JSON_RESPONSE_ENABLED: setting,
      SHUTDOWN_GRACE: "1s",
    };
    return [setting, await startGateway({ config, env })] as const;
  }));
  gateways = Object.fromEntries(started) as Record<Setting, Gateway>;
});

Deno.test.afterAll(async () => {
  for (const gateway of Object.values(gateways ?? {})) await gateway[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
  await scripted?.[Symbol.asyncDispose]();
});

const QUICK: ModernCall = { params: { name: "test_simple_text" } };
const LATE: ModernCall = slow(1_600);
const SPOKEN: ModernCall = {
  params: { name: "test_tool_with_progress" },
  meta: { progressToken: "mine" },
};
const LISTEN: ModernCall = {
  method: "subscriptions/listen",
  params: { notifications: { toolsListChanged: true } },
};

// ── By setting ──────────────────────────────────────────────────────────────────────────────────

for (
  const [setting, what, call, type] of [
    ["auto", "an answer that comes at once", QUICK, JSON_TYPE],
    ["auto", "an answer that comes after more than a second", LATE, STREAM_TYPE],
    ["auto", "an answer after notifications", SPOKEN, STREAM_TYPE],
    ["true", "an answer that comes at once", QUICK, JSON_TYPE],
    ["true", "an answer that comes after more than a second", LATE, JSON_TYPE],
    ["true", "an answer after notifications", SPOKEN, JSON_TYPE],
    ["false", "an answer that comes at once", QUICK, STREAM_TYPE],
    ["false", "an answer that comes after more than a second", LATE, STREAM_TYPE],
    ["false", "an answer after notifications", SPOKEN, STREAM_TYPE],
  ] as const
) {
  Deno.test(`${setting}: ${what} is ${type}`, async () => {
    const reply = await send(setting, call);
    assertEquals(headerOf(reply, "content-type"), type);
  });

  Deno.test(`${setting}: ${what} is the result, whole`, async () => {
    const { response } = await send(setting, call);
    assert("result" in response, JSON.stringify(response));
  });
}

for (
  const [setting, type] of [["auto", JSON_TYPE], ["true", JSON_TYPE], [
    "false",
    STREAM_TYPE,
  ]] as const
) {
  Deno.test(`${setting}: an answer to initialize that came on many lines is ${type}, whole`, async () => {
    const { origin } = gateways[setting];
    const reply = await initialize(origin, { path: "/servers/scripted/mcp" });
    assertEquals([headerOf(reply, "content-type"), reply.response.result], [type, GREETING]);
  });
}

// A request that fits into the buffer of its head may wait longer: docs/decisions/0009.
for (const [size, bytes, ms] of [["short", 0, 600], ["long", 4_000, 200]] as const) {
  Deno.test(`auto: the answer to a ${size} request after ${ms} ms is still JSON`, async () => {
    const headers = { "X-Trace": "t".repeat(600) };
    const reply = await send("auto", { ...slow(ms, "a".repeat(bytes)), headers });
    assertEquals(headerOf(reply, "content-type"), JSON_TYPE);
  });
}

Deno.test("auto: the stream is opened after a second, not with the answer", async () => {
  using reply = await openModern(gateways.auto.origin, { path: EVERYTHING_PATH, ...slow(4_000) });
  assertEquals(await statusOf(reply, OPENED_MS_MAX), 200);
});

for (const setting of ["auto", "false"] as const) {
  Deno.test(`${setting}: notifications come in order, before the result`, async () => {
    const { messages } = await send(setting, SPOKEN);
    assertEquals(messages.map(({ method, id }) => method ?? id), [
      "notifications/progress",
      "notifications/progress",
      "notifications/progress",
      1,
    ]);
  });
}

for (const setting of SETTINGS) {
  Deno.test(`${setting}: subscriptions/listen is a stream`, async () => {
    using reply = await openModern(gateways[setting].origin, { path: EVERYTHING_PATH, ...LISTEN });
    await statusOf(reply);
    assertEquals(reply.header("content-type"), STREAM_TYPE);
  });

  Deno.test(`${setting}: the error for an unknown method keeps its status 404`, async () => {
    const reply = await send(setting, { method: "no/such/method" });
    assertEquals([reply.status, headerOf(reply, "content-type")], [404, JSON_TYPE]);
  });

  Deno.test(`${setting}: an error of the upstream keeps its status 400`, async () => {
    const reply = await send(setting, {
      params: { name: "test_x_mcp_header", arguments: { region: "eu" } },
      headers: { "Mcp-Param-Region": "us" },
    });
    assertEquals([reply.status, headerOf(reply, "content-type")], [400, JSON_TYPE]);
  });

  Deno.test(`${setting}: an in-band error stays in-band`, async () => {
    const reply = await send(setting, { params: { name: "no_such_tool" } });
    assertEquals([reply.status, "error" in reply.response], [200, true]);
  });

  Deno.test(`${setting}: a notification is 202 without a body`, async () => {
    const reply = await send(setting, { method: "notifications/x", idText: "" });
    assertEquals([reply.status, reply.text], [202, ""]);
  });

  for (const bytes of [0, 4_000]) {
    const what = `a call with ${bytes} bytes of arguments`;
    Deno.test(`${setting}: leaving ${what} ends it at the upstream`, async () => {
      const before = { calls: scripted.requests.length, givenUp: scripted.givenUp() };
      const params = { name: "hang", arguments: { text: "a".repeat(bytes) } };
      using reply = await openModern(gateways[setting].origin, {
        path: "/servers/scripted/mcp",
        params,
      });
      await until("the call is there", () => scripted.requests.length > before.calls);
      reply.close();
      const isGivenUp = () => scripted.givenUp() > before.givenUp;
      await until("the call is given up", isGivenUp);
    });
  }
}

// ── By Accept ───────────────────────────────────────────────────────────────────────────────────

for (
  const [accept, quick, late] of [
    [JSON_TYPE, JSON_TYPE, JSON_TYPE],
    [STREAM_TYPE, STREAM_TYPE, STREAM_TYPE],
    ["text/event-stream, application/json", JSON_TYPE, STREAM_TYPE],
    ["Application/JSON;q=0.9 , TEXT/event-stream;q=0.1", JSON_TYPE, STREAM_TYPE],
    ["*/*", JSON_TYPE, STREAM_TYPE],
    ["application/*", JSON_TYPE, JSON_TYPE],
    ["text/*", STREAM_TYPE, STREAM_TYPE],
    [undefined, JSON_TYPE, STREAM_TYPE],
  ] as const
) {
  for (const [when, call, type] of [["at once", QUICK, quick], ["late", LATE, late]] as const) {
    Deno.test(`Accept ${accept ?? "absent"}: an answer that comes ${when} is ${type}`, async () => {
      const reply = await send("auto", { ...call, headers: { Accept: accept } });
      assertEquals(headerOf(reply, "content-type"), type);
    });
  }
}

for (const accept of ["text/html", "image/png, text/plain", "application/xml"]) {
  Deno.test(`Accept ${accept}: 406`, async () => {
    assertEquals((await send("auto", { ...QUICK, headers: { Accept: accept } })).status, 406);
  });
}

// ── Streams ─────────────────────────────────────────────────────────────────────────────────────

Deno.test("a stream tells proxies not to hold it back", async () => {
  using reply = await openModern(gateways.auto.origin, { path: EVERYTHING_PATH, ...LISTEN });
  await statusOf(reply);
  assertEquals(
    [reply.header("x-accel-buffering"), reply.header("cache-control")?.includes("no-transform")],
    ["no", true],
  );
});

Deno.test("a stream has no event ids: this revision resumes nothing", async () => {
  const { text } = await send("false", SPOKEN);
  assertEquals(text.split("\n").filter((line) => /^(id|retry):/.test(line)), []);
});

let silent: Promise<Readonly<Record<string, OpenReply>>> | undefined;

for (const what of ["a call that takes long", "a subscription", "a call that spoke once"]) {
  Deno.test(`${what}: a silent stream gets a comment after 15 s`, async () => {
    silent ??= listenInSilence();
    using reply = (await silent)[what]!;
    assert.match(reply.text(), /^:/m);
  });
}

/** Opens streams on which nothing is said, waits as long as a comment may take, all at once. */
async function listenInSilence(): Promise<Record<string, OpenReply>> {
  const { origin } = gateways.auto;
  const open = (call: ModernCall) => openModern(origin, { path: EVERYTHING_PATH, ...call });
  const replies = {
    "a call that takes long": await open(slow(60_000)),
    "a subscription": await open(LISTEN),
    "a call that spoke once": await open({
      path: "/servers/scripted/mcp",
      params: { name: "say-and-hang" },
    }),
  };
  await Promise.all(Object.values(replies).map((reply) => statusOf(reply)));
  const hasComment = (reply: OpenReply) => /^:/m.test(reply.text());
  await until("comments", () => Object.values(replies).every(hasComment), KEEP_ALIVE_MS_MAX)
    .catch(() => {});
  return replies;
}

function slow(ms: number, label = ""): ModernCall {
  return { params: { name: "test_slow", arguments: { ms, label } } };
}

function send(setting: Setting, call: ModernCall) {
  return callModern(gateways[setting].origin, { path: EVERYTHING_PATH, ...call });
}
