/**
 * Shield: stands between a gateway and the referee's server, and answers what the gateway asks on
 * its own account, as a server that offers nothing. The referee judges whatever reaches it, some of
 * it only the first time: it is to judge what the gateway makes of its client's requests.
 *
 * @module
 */
import { isOwnRequest, OWN_SESSION } from "../support/own_requests.ts";

export interface Shield extends AsyncDisposable {
  readonly url: string;
}

/** @param upstreamUrl where everything else goes, as it is */
export function startShield(upstreamUrl: string): Shield {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      // A DELETE may come with a body of no length.
      const body = await request.text() || undefined;
      return ownAnswer(request, body) ?? await relayed(request, body, upstreamUrl);
    },
  );
  const { pathname } = new URL(upstreamUrl);
  return {
    url: `http://127.0.0.1:${server.addr.port}${pathname}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** `undefined` for what is not the gateway's own, and for the question which era this is. */
function ownAnswer(request: Request, body: string | undefined): Response | undefined {
  const message = body === undefined ? undefined : JSON.parse(body);
  const isOwn = isOwnRequest(message, request.headers.get("mcp-session-id"));
  if (!isOwn || message?.id === "sallyport-probe") return undefined;
  if (request.method === "DELETE") return new Response(null, { status: 200 });
  if (request.method === "GET") return new Response(null, { status: 405 });
  if (message?.id === undefined) return new Response(null, { status: 202 });
  const { id, method, params } = message;
  const answer = (result: unknown, headers = {}) =>
    Response.json({ jsonrpc: "2.0", id, result }, { headers });
  if (method === "initialize") {
    return answer({
      protocolVersion: params.protocolVersion,
      capabilities: {},
      serverInfo: { name: "shield", version: "1.0.0" },
    }, { "Mcp-Session-Id": `${OWN_SESSION}${crypto.randomUUID()}` });
  }
  const described = { supportedVersions: ["2026-07-28"], capabilities: {} };
  return answer({ resultType: "complete", ttlMs: 0, cacheScope: "private", ...described });
}

async function relayed(
  request: Request,
  body: string | undefined,
  upstreamUrl: string,
): Promise<Response> {
  const headers = new Headers(request.headers);
  for (const name of ["host", "connection", "content-length"]) headers.delete(name);
  const { method, signal } = request;
  return await fetch(upstreamUrl, {
    method,
    headers,
    signal,
    redirect: "manual",
    ...body !== undefined && { body },
  });
}
