/**
 * Servers that tell in every failure what they were shown: in bodies, headers, addresses and halves
 * of replies. And one that does as it should, for the gateway to have something to show.
 *
 * @module
 */
export interface Tattler extends AsyncDisposable {
  readonly origin: string;
  /** Heads and bodies of all requests, by the first part of the path. */
  readonly seen: ReadonlyMap<string, string>;
}

/** How a server tells, by the first part of its path. */
const WAYS: Readonly<Record<string, (told: string, origin: string) => Response>> = {
  "refuses": (told) =>
    new Response(told, { status: 401, headers: { "WWW-Authenticate": `Bearer error="${told}"` } }),
  "forbids": (told) => Response.json({ error: told }, { status: 403 }),
  "fails": (told) => new Response(`<h1>${told}</h1>`, { status: 500 }),
  "is-busy": (told) => new Response(told, { status: 503, headers: { "Retry-After": told } }),
  "redirects": (told, origin) =>
    new Response(told, { status: 307, headers: { Location: `${origin}/fails/mcp?${told}` } }),
  "babbles": (told) => new Response(told, { headers: { "Content-Type": "text/html" } }),
  "stutters": (told) => Response.json({ jsonrpc: "2.0", id: told, result: told }),
  "streams": (told) =>
    new Response(`event: ${told}\ndata: ${told}\n\n`, {
      headers: { "Content-Type": "text/event-stream" },
    }),
  "token-refuses": (told) =>
    Response.json({ error: "invalid_client", error_description: told }, { status: 400 }),
  "token-babbles": (told) => new Response(told),
  "token-lies": (told) => Response.json({ access_token: 7, told }),
};

export const TELLING = Object.keys(WAYS).filter((way) => !way.startsWith("token-"));
export const TOKEN_TELLING = Object.keys(WAYS).filter((way) => way.startsWith("token-"));

/** @param issued the access token that `/token` gives */
export function startTattler(issued: string): Tattler {
  const seen = new Map<string, string>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (req) => {
    const [, way = ""] = new URL(req.url).pathname.split("/");
    const body = await req.text();
    const credentials = [...req.headers].map(([name, value]) => `${name}: ${value}`).join(" ");
    seen.set(way, `${seen.get(way) ?? ""}\n${req.url} ${credentials} ${body}`);
    const told = `${credentials} ${body}`.replace(/[^ -~]/g, "");
    if (way === "token") return Response.json({ access_token: issued, token_type: "Bearer" });
    const tell = WAYS[way];
    return tell?.(told, `http://${req.headers.get("host")}`) ?? behaved(req, body);
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** In sessions, with one tool. */
function behaved(req: Request, body: string): Response {
  if (req.method === "DELETE") return new Response();
  if (req.method !== "POST") return new Response(null, { status: 405 });
  const { id, method, params } = JSON.parse(body);
  if (id === undefined) return new Response(null, { status: 202 });
  const results: Record<string, unknown> = {
    "initialize": {
      protocolVersion: params?.protocolVersion ?? "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "behaved", version: "1" },
    },
    "tools/list": { tools: [{ name: "t", inputSchema: { type: "object" } }] },
    "tools/call": { content: [{ type: "text", text: "done" }] },
  };
  const result = results[method];
  const answer = result === undefined
    ? { error: { code: -32601, message: "No such method" } }
    : { result };
  return Response.json({ jsonrpc: "2.0", id, ...answer }, {
    headers: method === "initialize" ? { "Mcp-Session-Id": crypto.randomUUID() } : {},
  });
}
