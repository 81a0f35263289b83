/**
 * The stub as a server of revision 2026-07-28. The list may not be cached (`ttlMs` 0).
 *
 * @module
 */

import { STATELESS_REVISION } from "./payload.ts";
import {
  failure,
  notifyStream,
  SERVER_INFO,
  type StubRequest,
  success,
  tailOf,
  textTails,
  TOOLS,
} from "./stub_answers.ts";

const SSE_HEADERS = { "content-type": "text/event-stream", "cache-control": "no-store" };
const META = { "io.modelcontextprotocol/serverInfo": SERVER_INFO };

const DISCOVER = tailOf({
  resultType: "complete",
  supportedVersions: [STATELESS_REVISION],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: "private",
  _meta: META,
});

const LIST = tailOf({
  resultType: "complete",
  tools: TOOLS,
  ttlMs: 0,
  cacheScope: "private",
  _meta: META,
});

const TEXTS = textTails({ resultType: "complete", _meta: META });

const DONE = JSON.stringify({ resultType: "complete", content: [{ type: "text", text: "done" }] });

/** Answers one request. */
export async function answerStateless(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const message: StubRequest = JSON.parse(await request.text());
  const { id, method, params } = message;
  if (id === undefined) return new Response(null, { status: 202 });
  if (method === "tools/call" && params?.name === "text") {
    const text = TEXTS.get(params.arguments?.bytes ?? 0);
    return text === undefined ? failure(id, 200, -32602, "No such size") : success(id, text);
  }
  if (method === "tools/call" && params?.name === "notify") {
    return new Response(notifyStream(message, DONE), { headers: SSE_HEADERS });
  }
  if (method === "tools/call") return failure(id, 200, -32602, "Unknown tool");
  if (method === "tools/list") return success(id, LIST);
  if (method === "server/discover") return success(id, DISCOVER);
  return failure(id, 404, -32601, "Method not found");
}
