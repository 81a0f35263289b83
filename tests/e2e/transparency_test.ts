/**
 * A verbatim endpoint is the upstream itself: what goes through the gateway is byte for byte what
 * goes directly, in both directions.
 *
 * What may differ, and why:
 * - towards the client: `supportedVersions` of `server/discover`, because revisions are spoken with
 *   the gateway; and how a reply is framed (HTTP headers, JSON body or events), which every hop
 *   decides for itself.
 * - towards the upstream: the request id and the progress token, which would clash between clients;
 *   and the headers in `OF_THE_CONNECTION`.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
} from "../support/everything.ts";
import { callModern, eventData, type ModernCall, type ModernReply } from "../support/modern.ts";
import { headerOf } from "../support/raw_http.ts";
import {
  jsonReply,
  type Script,
  type Scripted,
  type ScriptedRequest,
  startScripted,
  streamReply,
} from "../support/scripted.ts";
import { ERRORS, REQUESTS, RESULTS } from "./transparency_rows.ts";

const MIRROR_PATH = "/servers/mirror/mcp";

/** Each is the business of one hop; the client's credential is for the gateway alone. */
const OF_THE_CONNECTION = [
  "host",
  "connection",
  "content-length",
  "user-agent",
  "accept-encoding",
  "authorization",
];

let world: EverythingWorld;
let mirror: Scripted;
let script: Script = () => undefined;

Deno.test.beforeAll(async () => {
  mirror = await startScripted((request) => script(request));
  world = await openEverythingWorld({ more: { mirror: mirror.origin } });
  await throughTo(MIRROR_PATH, {});
});

Deno.test.afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await mirror?.[Symbol.asyncDispose]();
});

for (const { what, call } of REQUESTS) {
  Deno.test(`${what}: the reply is the direct one`, async () => {
    const direct = await callModern(world.upstream.origin, { path: "/mcp", ...call });
    assertEquals(said(await throughTo(EVERYTHING_PATH, call)), said(direct));
  });

  Deno.test(`${what}: the upstream gets the direct message`, async () => {
    const { direct, relayed } = await receive(call);
    assertEquals(withoutId(relayed), withoutId(direct));
  });

  Deno.test(`${what}: the upstream gets the direct headers`, async () => {
    const { direct, relayed } = await receive(call);
    assertEquals(headersOf(relayed), headersOf(direct));
  });
}

Deno.test("the fixture sees the direct headers too", async () => {
  const call = { params: { name: "test_echo" }, headers: { "Mcp-Param-Region": "eu" } };
  await callModern(world.upstream.origin, { path: "/mcp", ...call });
  const direct = (await world.upstream.stats()).lastHeaders;
  await throughTo(EVERYTHING_PATH, call);
  const relayed = (await world.upstream.stats()).lastHeaders;
  assertEquals(ofTheMessage(Object.entries(relayed)), ofTheMessage(Object.entries(direct)));
});

Deno.test("of a request with a progress token nothing but the token and the id is changed", async () => {
  const { direct, relayed } = await receive(withToken('"mine"'));
  const anyToken = (text: string) => text.replace(/("progressToken":)("mine"|\d+)/, "$1TOKEN");
  assertEquals(anyToken(withoutId(relayed)), anyToken(withoutId(direct)));
});

Deno.test("the credential of the client is not passed on", async () => {
  const { relayed } = await receive({});
  assertEquals(relayed.headers.filter(([name]) => /authorization/i.test(name)), []);
});

for (const [what, resultText] of Object.entries(RESULTS)) {
  for (const form of ["a JSON body", "an event"] as const) {
    Deno.test(`${what} in ${form} arrives byte for byte`, async () => {
      await answering(
        ({ rpc }) => {
          const message = `{"jsonrpc":"2.0","id":${rpc.idText},"result":${resultText}}`;
          return form === "an event" ? streamReply([message]) : jsonReply(message);
        },
        async () => {
          const reply = await throughTo(MIRROR_PATH, { idText: '"é"' });
          assertEquals(said(reply), {
            status: 200,
            messages: [`{"jsonrpc":"2.0","id":"é","result":${resultText}}`],
          });
        },
      );
    });
  }
}

for (const [status, errorText] of ERRORS) {
  Deno.test(`the error ${errorText} with status ${status} arrives byte for byte`, async () => {
    await answering(
      ({ rpc }) => jsonReply(`{"error":${errorText},"id":${rpc.idText},"jsonrpc":"2.0"}`, status),
      async () => {
        const reply = await throughTo(MIRROR_PATH, { idText: "-7" });
        assertEquals(said(reply), {
          status: parseInt(status),
          messages: [`{"error":${errorText},"id":-7,"jsonrpc":"2.0"}`],
        });
      },
    );
  });
}

Deno.test("a result that is laid out over many lines arrives byte for byte", async () => {
  const layOut = (id: string) =>
    `\r\n{\n  "result": {\n    "content": [ ]\r\n  },\n\t"id" : ${id},\n  "jsonrpc": "2.0"\n}\n`;
  await answering(({ rpc }) => jsonReply(layOut(rpc.idText)), async () => {
    assertEquals((await throughTo(MIRROR_PATH, {})).text, layOut("1"));
  });
});

Deno.test("server/discover differs in its supportedVersions alone", async () => {
  const discovery = (id: string, versions: string) =>
    `{"id":${id},"result":{"future":1.0,"supportedVersions":${versions},` +
    `"capabilities":{"tools":{},"x":{}},"instructions":"ü"},"jsonrpc":"2.0"}`;
  await answering(
    ({ rpc }) => jsonReply(discovery(rpc.idText, '["2026-07-28", "2099-01-01"]')),
    async () => {
      const { text } = await throughTo(MIRROR_PATH, { method: "server/discover" });
      assertEquals(text, discovery("1", '["2026-07-28"]'));
    },
  );
});

// ── Notifications ───────────────────────────────────────────────────────────────────────────────

for (const tokenText of ["1", '"mine"', '"\\u0041 ü"', "0", '""']) {
  Deno.test(`progress comes under the token ${tokenText} as it was written`, async () => {
    const progress = (token: string) =>
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,` +
      `"progressToken":${token},"message":"ü","future":[ ]}}`;
    await answering(({ rpc }) => {
      const { progressToken } = rpc.params._meta as { progressToken: number };
      return streamReply([progress(String(progressToken)), emptyResult(rpc.idText)]);
    }, async () => {
      const reply = await throughTo(MIRROR_PATH, withToken(tokenText));
      assertEquals(said(reply).messages, [progress(tokenText), emptyResult("1")]);
    });
  });
}

for (
  const [what, text] of Object.entries({
    "a log message":
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}',
    "an unknown notification": '{"method":"notifications/x","jsonrpc":"2.0","params":{"id":1}}',
    "a notification without params": '{"jsonrpc":"2.0","method":"notifications/y"}',
  })
) {
  Deno.test(`${what} arrives byte for byte`, async () => {
    await answering(({ rpc }) => streamReply([text, emptyResult(rpc.idText)]), async () => {
      const reply = await throughTo(MIRROR_PATH, {});
      assertEquals(said(reply).messages, [text, emptyResult("1")]);
    });
  });
}

// Some JSON writers (PHP's, for one) escape every slash.
Deno.test("progress whose method is written with an escaped slash has the client's token", async () => {
  const progress = (token: string) =>
    `{"jsonrpc":"2.0","method":"notifications\\/progress","params":{"progressToken":${token},` +
    `"progress":1}}`;
  await answering(({ rpc }) => {
    const { progressToken } = rpc.params._meta as { progressToken: number };
    return streamReply([progress(String(progressToken)), emptyResult(rpc.idText)]);
  }, async () => {
    const reply = await throughTo(MIRROR_PATH, withToken('"mine"'));
    assertEquals(said(reply).messages, [progress('"mine"'), emptyResult("1")]);
  });
});

function throughTo(path: string, call: ModernCall): Promise<ModernReply> {
  return callModern(world.gateway.origin, { path, token: world.token, ...call });
}

/** Lets the mirror answer so for as long as `run` takes. */
async function answering(answer: Script, run: () => Promise<void>): Promise<void> {
  script = answer;
  try {
    await run();
  } finally {
    script = () => undefined;
  }
}

/** What the mirror received, once directly and once through the gateway. */
async function receive(call: ModernCall) {
  const took = async (send: () => Promise<unknown>) => {
    const before = mirror.requests.length;
    await answering((request) => {
      if (request.rpc.method === "server/discover") mirror.requests.push(request);
      return undefined;
    }, async () => void await send());
    assertEquals(mirror.requests.length, before + 1, "one request reaches the upstream");
    return mirror.requests.at(-1)!;
  };
  return {
    direct: await took(() => callModern(mirror.origin, { path: "/mcp", ...call })),
    relayed: await took(() => throughTo(MIRROR_PATH, call)),
  };
}

/** Status and messages, each as it was written. */
function said(reply: ModernReply) {
  const isStream = headerOf(reply, "content-type")?.startsWith("text/event-stream");
  return { status: reply.status, messages: isStream ? eventData(reply.text) : [reply.text] };
}

function withoutId({ body }: ScriptedRequest): string {
  return body.replace(/("(?:id|\\u0069d)"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|-?\d+)/, "$1ID");
}

function headersOf({ headers }: ScriptedRequest) {
  return ofTheMessage(headers);
}

function ofTheMessage(headers: readonly (readonly [name: string, value: string])[]) {
  return headers.map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !OF_THE_CONNECTION.includes(name))
    .sort(([a], [b]) => a < b ? -1 : 1);
}

function withToken(tokenText: string): ModernCall {
  const params = { name: "test_echo" };
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"test_echo",` +
    `"_meta":{"progressToken":${tokenText},"io.modelcontextprotocol/protocolVersion":` +
    `"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`;
  return { params, body };
}

function emptyResult(idText: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"result":{"content":[]}}`;
}
