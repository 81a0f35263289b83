/**
 * Replies of an upstream that break off, at any byte and in any framing: never half a result, never
 * a hang, never a second execution.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { configFor } from "../support/everything.ts";
import { callModern, type Message, type ModernCall, type ModernReply } from "../support/modern.ts";
import { type Gateway, NEVER_HOLDS_BACK, startGateway } from "../support/processes.ts";
import { chunkBytes } from "../support/raw_http.ts";
import {
  resultOf,
  saying,
  type Scripted,
  type ScriptedRequest,
  startScripted,
} from "../support/scripted.ts";

const PATH = "/servers/cut/mcp";
const TEXT = "The whole ü truth";
/** The gateway sees that a connection has ended; no deadline of its own is at work. */
const SOON_MS_MAX = 5_000;
const WIDTH = 20;
const FAILURES = [-31001, -31003, -31004];

interface Reply {
  readonly bytes: Uint8Array;
  /** Up to here something of the answer is missing; from here on it may be taken for whole. */
  readonly answerEnd: number;
}

const JSON_TYPE = "Content-Type: application/json";
const STREAM_TYPE = "Content-Type: text/event-stream";

const FRAMINGS: Readonly<Record<string, (message: string) => Reply>> = {
  "JSON with a length": (message) =>
    framed([JSON_TYPE, `Content-Length: ${bytesOf(message).length}`], message),
  "JSON in chunks": (message) => chunked(JSON_TYPE, message),
  "JSON to the end of the connection": (message) => framed([JSON_TYPE], message),
  "an event with a length": (message) => {
    const event = `data: ${message}\n\n`;
    return framed([STREAM_TYPE, `Content-Length: ${bytesOf(event).length}`], event);
  },
  "an event in chunks": (message) => chunked(STREAM_TYPE, `data: ${message}\n\n`),
  "an event to the end of the connection": (message) =>
    framed([STREAM_TYPE], `data: ${message}\n\n`),
  "an event after a notification": (message) =>
    chunked(
      STREAM_TYPE,
      `data: {"jsonrpc":"2.0","method":"notifications/x"}\n\ndata: ${message}\n\n`,
    ),
};

let upstream: Scripted;
let gateway: Gateway;

Deno.test.beforeAll(async () => {
  upstream = await startScripted(answerInPart);
  gateway = await startGateway({
    config: configFor({ cut: upstream.origin }),
    env: { MCP_REQUIRE_AUTH: "false", LOG_LEVEL: "error", ...NEVER_HOLDS_BACK },
  });
  await send({ params: { name: "greet" } });
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

for (const [framing, make] of Object.entries(FRAMINGS)) {
  for (const ending of ["close", "reset"] as const) {
    const title = `${framing}, cut by a ${ending} at any byte`;
    let observed: Promise<Observation[]> | undefined;
    const observe = () => observed ??= cutEverywhere(framing, make, ending);

    Deno.test(`${title}: tools/call is isError for as long as a byte is missing`, async () => {
      const wrong = (await observe()).filter(({ isCut, reply }) => isCut && !isFailure(reply));
      assertEquals(wrong.map(({ at, reply }) => [at, reply.text]), []);
    });

    Deno.test(`${title}: the caller is told that the outcome is not known`, async () => {
      const silent = (await observe()).filter(({ isCut, reply }) =>
        isCut && !/unknown|not known|whether|(may|might|could) have/i.test(reply.text)
      );
      assertEquals(silent.map(({ at, reply }) => [at, reply.text]).slice(0, 3), []);
    });

    Deno.test(`${title}: what is shown is the whole text or none of it`, async () => {
      const half = (await observe()).filter(({ reply }) =>
        !isFailure(reply) && textIn(reply) !== TEXT
      );
      assertEquals(half.map(({ at, reply }) => [at, reply.text]), []);
    });

    Deno.test(`${title}: the tool is executed once per call`, async () => {
      const repeated = (await observe()).filter(({ executions }) => executions !== 1);
      assertEquals(repeated.map(({ at, executions }) => [at, executions]), []);
    });

    Deno.test(`${title}: resources/read is an error for as long as a byte is missing`, async () => {
      const { answerEnd } = make(wholeMessage("0"));
      const replies = await inTurns(places(answerEnd), async (at) => {
        const meta = { "example.test/cut": { framing, ending, at } };
        return { at, reply: await send({ ...READ, meta }) };
      });
      const wrong = replies.filter(({ reply }) => {
        const error = reply.response.error as Message | undefined;
        return reply.status !== 200 || !FAILURES.includes(Number(error?.code));
      });
      assertEquals(wrong.map(({ at, reply }) => [at, reply.text]), []);
    });
  }
}

Deno.test("after all that a call is answered", async () => {
  const reply = await send({ params: { name: "greet" } });
  assert(!isFailure(reply), reply.text);
});

const READ: ModernCall = { method: "resources/read", params: { uri: "test://cut" } };

interface Observation {
  readonly at: number;
  /** Something of the answer is missing. */
  readonly isCut: boolean;
  readonly reply: ModernReply;
  readonly executions: number;
}

async function cutEverywhere(
  framing: string,
  make: (message: string) => Reply,
  ending: string,
): Promise<Observation[]> {
  const { bytes, answerEnd } = make(wholeMessage("0"));
  const before = upstream.requests.length;
  const replies = await inTurns(places(bytes.length + 1), async (at) => {
    const meta = { "example.test/cut": { framing, ending, at } };
    return { at, reply: await send({ params: { name: "cut" }, meta }) };
  });
  const cuts = upstream.requests.slice(before).map((request) => cutOf(request)?.at);
  return replies.map(({ at, reply }) => ({
    at,
    isCut: at < answerEnd,
    reply,
    executions: cuts.filter((cut) => cut === at).length,
  }));
}

/** `at` counts as if the id of the request had one digit: the gateway's has more. */
function answerInPart(request: ScriptedRequest) {
  const cut = cutOf(request);
  if (cut === undefined) return undefined;
  // Every reply ends where it would with an id of one digit, counted from the end.
  const { bytes } = FRAMINGS[cut.framing]!(wholeMessage(request.rpc.idText));
  const missing = FRAMINGS[cut.framing]!(wholeMessage("0")).bytes.length - cut.at;
  return { bytes: bytes.subarray(0, Math.max(0, bytes.length - missing)), then: cut.ending };
}

function cutOf({ rpc }: ScriptedRequest) {
  const meta = rpc.params._meta as Record<string, unknown> | undefined;
  return meta?.["example.test/cut"] as
    | { framing: string; ending: "close" | "reset"; at: number }
    | undefined;
}

function wholeMessage(idText: string): string {
  return resultOf({ message: {}, method: "", params: {}, idText }, saying(TEXT));
}

function framed(headers: readonly string[], body: string): Reply {
  const bytes = bytesOf(["HTTP/1.1 200 OK", ...headers, "", body].join("\r\n"));
  return { bytes, answerEnd: bytes.length };
}

/** In two chunks, so that a cut may fall between them. */
function chunked(type: string, body: string): Reply {
  const head = ["HTTP/1.1 200 OK", type, "Transfer-Encoding: chunked", "", ""].join("\r\n");
  const half = body.length >> 1;
  const chunks = chunkBytes(body.slice(0, half)) + chunkBytes(body.slice(half));
  const bytes = bytesOf(`${head}${chunks}0\r\n\r\n`);
  return { bytes, answerEnd: bytesOf(head + chunks).length - "\r\n".length };
}

function send(call: ModernCall): Promise<ModernReply> {
  const options = { deadlineMs: SOON_MS_MAX };
  return callModern(gateway.origin, { path: PATH, ...call, options });
}

function isFailure(reply: ModernReply): boolean {
  return (reply.response.result as Message | undefined)?.isError === true;
}

function textIn(reply: ModernReply): unknown {
  const { content } = reply.response.result as { content: { text: string }[] };
  return content[0]?.text;
}

function places(end: number): number[] {
  return Array.from({ length: end }, (_, at) => at);
}

async function inTurns<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += WIDTH) {
    results.push(...await Promise.all(items.slice(at, at + WIDTH).map(run)));
  }
  return results;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
