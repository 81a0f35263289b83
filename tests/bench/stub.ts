/**
 * The stub upstream, and as `direct` the first contender: a server of revision 2026-07-28 that does as
 * little as an honest server can. It reads the request, echoes its id and copies a body that is ready.
 *
 * Tools: `text {bytes}` answers with text of that size; `notify {count}` streams that many progress
 * notifications, each its own chunk, and then its result. The list may not be cached (`ttlMs` 0).
 *
 * @module
 */

import { TEXT_BYTES, textOf, TOOL_DESCRIPTION, TOOL_NAMES } from "./payload.ts";

const REVISION = "2026-07-28";
const SERVER_INFO = { name: "bench-stub", version: "1.0.0" };
const JSON_HEADERS = { "content-type": "application/json" };
const SSE_HEADERS = { "content-type": "text/event-stream", "cache-control": "no-store" };
const META = { "io.modelcontextprotocol/serverInfo": SERVER_INFO };

interface StubRequest {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: { readonly bytes?: number; readonly count?: number };
    readonly _meta?: { readonly progressToken?: number | string };
  };
}

const encoder = new TextEncoder();

/** The part of an answer after its id, ready as bytes. */
const tail = (result: object) => encoder.encode(`,"result":${JSON.stringify(result)}}`);

const DISCOVER = tail({
  resultType: "complete",
  supportedVersions: [REVISION],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: "private",
  _meta: META,
});

const LIST = tail({
  resultType: "complete",
  tools: TOOL_NAMES.map((name) => ({
    name,
    description: TOOL_DESCRIPTION,
    inputSchema: {
      type: "object",
      properties: {
        path: { type: "string", description: "Where the entry lies in the collection" },
        bytes: { type: "integer", minimum: 0, description: "How much text is wanted" },
        count: { type: "integer", minimum: 0, description: "How many steps are reported" },
      },
    },
  })),
  ttlMs: 0,
  cacheScope: "private",
  _meta: META,
});

const TEXTS = new Map(TEXT_BYTES.map((bytes) => [
  bytes as number,
  tail({ resultType: "complete", content: [{ type: "text", text: textOf(bytes) }], _meta: META }),
]));

const DONE = JSON.stringify({ resultType: "complete", content: [{ type: "text", text: "done" }] });

async function answer(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const message: StubRequest = JSON.parse(await request.text());
  const { id, method, params } = message;
  if (id === undefined) return new Response(null, { status: 202 });
  if (method === "tools/call" && params?.name === "text") {
    const text = TEXTS.get(params.arguments?.bytes ?? 0);
    return text === undefined ? failure(id, -32602, "No such size") : success(id, text);
  }
  if (method === "tools/call" && params?.name === "notify") {
    const token = params._meta?.progressToken ?? null;
    return new Response(notifications(id, token, params.arguments?.count ?? 0), {
      headers: SSE_HEADERS,
    });
  }
  if (method === "tools/call") return failure(id, -32602, "Unknown tool");
  if (method === "tools/list") return success(id, LIST);
  if (method === "server/discover") return success(id, DISCOVER);
  return failure(id, -32601, "Method not found");
}

function success(id: number | string, tail: Uint8Array): Response {
  const head = encoder.encode(`{"jsonrpc":"2.0","id":${JSON.stringify(id)}`);
  const body = new Uint8Array(head.length + tail.length);
  body.set(head);
  body.set(tail, head.length);
  return new Response(body, { headers: JSON_HEADERS });
}

function failure(id: number | string, code: number, message: string): Response {
  const body = JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
  return new Response(body, { status: code === -32601 ? 404 : 200, headers: JSON_HEADERS });
}

function notifications(
  id: number | string,
  token: number | string | null,
  count: number,
): ReadableStream<Uint8Array> {
  const start = `data: {"jsonrpc":"2.0","method":"notifications/progress","params":` +
    `{"progressToken":${JSON.stringify(token)},"total":${count},"progress":`;
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent < count) {
        controller.enqueue(encoder.encode(`${start}${++sent}}}\n\n`));
        return;
      }
      const last = `data: {"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${DONE}}\n\n`;
      controller.enqueue(encoder.encode(last));
      controller.close();
    },
  });
}

if (import.meta.main) {
  const onListen = ({ port }: { port: number }) => {
    console.log(`Listening on http://127.0.0.1:${port}`);
  };
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, answer);
}
