/**
 * Cross-origin requests of browser clients. The origin itself was checked by `origin_guard.ts`.
 *
 * @module
 * @see contract.md, section 8, "CORS"
 */
import type { RequestHead } from "./request_head.ts";

const ALLOWED_HEADERS = "Authorization, Content-Type, Accept, Last-Event-ID, " +
  "Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name";
const EXPOSED_HEADERS = "Mcp-Session-Id, WWW-Authenticate, Retry-After";
const PREFLIGHT_SECONDS = "600";

/** Answers `OPTIONS`: a preflight with what is allowed, anything else with `Allow`. */
export function optionsReply(head: RequestHead, allow: string): Response {
  const headers = new Headers({ Vary: "Origin" });
  const origin = head.headers.get("origin");
  if (origin === undefined || !head.headers.has("access-control-request-method")) {
    headers.set("Allow", allow);
    return new Response(null, { status: 204, headers });
  }
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Allow-Methods", allow);
  headers.set("Access-Control-Allow-Headers", allowedHeaders(head));
  headers.set("Access-Control-Max-Age", PREFLIGHT_SECONDS);
  return new Response(null, { status: 204, headers });
}

/** The listed ones; `Mcp-*` is a family, so the names asked for are answered one by one. */
function allowedHeaders(head: RequestHead): string {
  const asked = (head.headers.get("access-control-request-headers") ?? "").toLowerCase()
    .split(",").map((name) => name.trim());
  const family = asked.filter((name) => /^mcp-[a-z0-9-]{1,100}$/.test(name));
  const extra = family.filter((name) => !ALLOWED_HEADERS.toLowerCase().includes(name));
  return [ALLOWED_HEADERS, ...extra].join(", ");
}

/** Adds what a browser needs to read the reply; nothing for callers that sent no origin. */
export function addCorsHeaders(head: RequestHead, response: Response): void {
  const origin = head.headers.get("origin");
  if (origin === undefined) return;
  response.headers.set("Access-Control-Allow-Origin", origin);
  response.headers.set("Access-Control-Expose-Headers", EXPOSED_HEADERS);
  if (response.headers.get("Vary") !== "Origin") response.headers.append("Vary", "Origin");
}
