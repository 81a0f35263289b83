/**
 * The stub as servers of revision 2026-07-28, which differ in their lists. These may not be cached
 * (`ttlMs` 0).
 *
 * @module
 */

import {
  BIG_PAGE_TOOLS,
  BIG_TOOL_NAMES,
  LONG_SERVERS,
  manyToolNames,
  STATELESS_REVISION,
} from "./payload.ts";
import { RECORD_BYTES, RECORD_TOOL, recordResult } from "./record.ts";
import {
  failure,
  notifyStream,
  SERVER_INFO,
  type StubRequest,
  success,
  tailOf,
  textTails,
  TOOLS,
  toolsOf,
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

/** The pages of a list, ready as bytes; the cursor of each but the first is its number. */
export type Pages = readonly Uint8Array[];

/** The list of an ordinary server. */
export const USUAL: Pages = pagesOf(TOOLS, TOOLS.length);

/** All tools of many, under the names that the gateway gives them. */
export const LONG: Pages = pagesOf(toolsOf(manyToolNames(LONG_SERVERS)), Infinity);

export const BIG: Pages = pagesOf(toolsOf(BIG_TOOL_NAMES), BIG_PAGE_TOOLS);

const TEXTS = textTails({ resultType: "complete", _meta: META });

const RECORDS = new Map<number, Uint8Array>(
  RECORD_BYTES.map((bytes) => {
    return [bytes, tailOf({ resultType: "complete", _meta: META, ...recordResult(bytes) })];
  }),
);

const DONE = JSON.stringify({ resultType: "complete", content: [{ type: "text", text: "done" }] });

/** Answers one request to the server with this list. */
export async function answerStateless(request: Request, pages: Pages): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const message: StubRequest = JSON.parse(await request.text());
  const { id, method, params } = message;
  if (id === undefined) return new Response(null, { status: 202 });
  if (method === "tools/call" && params?.name === "text") {
    const text = TEXTS.get(params.arguments?.bytes ?? 0);
    return text === undefined ? failure(id, 200, -32602, "No such size") : success(id, text);
  }
  if (method === "tools/call" && params?.name === RECORD_TOOL) {
    const record = RECORDS.get(params.arguments?.bytes ?? 0);
    return record === undefined ? failure(id, 200, -32602, "No such size") : success(id, record);
  }
  if (method === "tools/call" && params?.name === "notify") {
    return new Response(notifyStream(message, DONE), { headers: SSE_HEADERS });
  }
  if (method === "tools/call") return failure(id, 200, -32602, "Unknown tool");
  if (method === "tools/list") {
    const page = pages[Number(params?.cursor ?? 0)];
    return page === undefined ? failure(id, 200, -32602, "No such page") : success(id, page);
  }
  if (method === "server/discover") return success(id, DISCOVER);
  return failure(id, 404, -32601, "Method not found");
}

function pagesOf(tools: readonly object[], pageTools: number): Pages {
  const pages: Uint8Array[] = [];
  for (let start = 0; start < tools.length; start += pageTools) {
    const end = start + pageTools;
    pages.push(tailOf({
      resultType: "complete",
      tools: tools.slice(start, end),
      ...(end < tools.length ? { nextCursor: String(pages.length + 1) } : {}),
      ttlMs: 0,
      cacheScope: "private",
      _meta: META,
    }));
  }
  return pages;
}
