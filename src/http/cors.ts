/**
 * Cross-origin requests of browser clients. The origin itself was checked by `origin_guard.ts`.
 *
 * @module
 * @see contract.md, section 8, "CORS"
 */
import type { RequestHead } from "./request_head.ts";

/** What a browser may send to a route, and read of its replies. */
export interface CorsRules {
  readonly allowed: string;
  readonly exposed: string;
  /** Whether every header `Mcp-*` may be sent. */
  readonly takesMcpFamily?: boolean;
}

export const MCP_CORS: CorsRules = {
  allowed: "Authorization, Content-Type, Accept, Last-Event-ID, " +
    "Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name",
  exposed: "Mcp-Session-Id, WWW-Authenticate, Retry-After",
  takesMcpFamily: true,
};

/** For the management API, whose records have versions and URLs. */
export const API_CORS: CorsRules = {
  allowed: "Authorization, Content-Type, Accept, If-Match",
  exposed: "ETag, Location, Allow, WWW-Authenticate, Retry-After",
};

const PREFLIGHT_SECONDS = "600";

/** Answers `OPTIONS`: a preflight with what is allowed, anything else with `Allow`. */
export function optionsReply(
  head: RequestHead,
  allow: string,
  rules: CorsRules = MCP_CORS,
): Response {
  const headers = new Headers({ Vary: "Origin" });
  const origin = head.headers.get("origin");
  if (origin === undefined || !head.headers.has("access-control-request-method")) {
    headers.set("Allow", allow);
    return new Response(null, { status: 204, headers });
  }
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Allow-Methods", allow);
  headers.set("Access-Control-Allow-Headers", allowedHeaders(head, rules));
  headers.set("Access-Control-Max-Age", PREFLIGHT_SECONDS);
  return new Response(null, { status: 204, headers });
}

/** The listed ones; `Mcp-*` is a family, so the names asked for are answered one by one. */
function allowedHeaders(head: RequestHead, { allowed, takesMcpFamily }: CorsRules): string {
  if (!takesMcpFamily) return allowed;
  const asked = (head.headers.get("access-control-request-headers") ?? "").toLowerCase()
    .split(",").map((name) => name.trim());
  const family = asked.filter((name) => /^mcp-[a-z0-9-]{1,100}$/.test(name));
  const extra = family.filter((name) => !allowed.toLowerCase().includes(name));
  return [allowed, ...extra].join(", ");
}

/** Adds what a browser needs to read the reply; nothing for callers that sent no origin. */
export function addCorsHeaders(
  head: RequestHead,
  response: Response,
  { exposed }: CorsRules = MCP_CORS,
): void {
  const origin = head.headers.get("origin");
  if (origin === undefined) return;
  response.headers.set("Access-Control-Allow-Origin", origin);
  response.headers.set("Access-Control-Expose-Headers", exposed);
  if (response.headers.get("Vary") !== "Origin") response.headers.append("Vary", "Origin");
}
