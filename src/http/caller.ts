/**
 * What a request says about its caller, and what the connection says.
 *
 * @module
 * @see security.md, PROXY-01 to PROXY-03, PROXY-06
 */
import type { Context } from "hono";
import type { AuthRequest } from "../auth/authenticate.ts";
import type { OriginGuard } from "./origin_guard.ts";
import type { RequestHead } from "./request_head.ts";

/** What the server says about a request besides the request; handed in as Hono's `env`. */
export interface ServeInfo {
  /** Settles when the response has been sent, or cannot be any more. */
  readonly completed: Promise<void>;
  /** The address at the other end of the connection: the client's, or a proxy's. */
  readonly peer: string;
  /** Whether no request has come over this connection before, as far as can be told. */
  readonly isFirst: boolean;
}

export interface ProxyUserHeader {
  /** Lower-case. */
  readonly name: string;
  /** Of the header with the proxy's secret; lower-case. */
  readonly secretName: string;
  /** @param peer IP address at the other end of the connection */
  readonly isTrusted: (peer: string) => boolean;
}

export interface CallerDeps {
  readonly guard: Pick<OriginGuard, "baseUrl">;
  /** The header in which believed proxies name the user; `undefined` when none are. */
  readonly proxyUser: ProxyUserHeader | undefined;
}

/** Read as it is asked for: most callers are known by one header. */
export class Caller implements AuthRequest {
  readonly #deps: CallerDeps;
  readonly #c: Context;
  readonly #head: RequestHead;

  constructor(deps: CallerDeps, c: Context, head: RequestHead) {
    this.#deps = deps;
    this.#c = c;
    this.#head = head;
  }

  get authorization() {
    return this.#head.headers.get("authorization");
  }

  get proxyUser() {
    const { proxyUser } = this.#deps;
    return proxyUser && this.#head.headers.get(proxyUser.name);
  }

  get proxySecret() {
    const { proxyUser } = this.#deps;
    return proxyUser && this.#head.headers.get(proxyUser.secretName);
  }

  get forwardedFor() {
    return this.#head.headers.get("x-forwarded-for");
  }

  get peer() {
    return peerOf(this.#c);
  }

  get resource() {
    return this.#deps.guard.baseUrl(this.#head) + resourcePath(this.#head.path);
  }
}

export function peerOf(c: Context): string {
  return (c.env as ServeInfo).peer;
}

/**
 * What may be handed on: not what only a proxy may say when somebody else says it, and never what
 * proves that it is one.
 */
export function withoutProxyWords(
  { proxyUser }: CallerDeps,
  c: Context,
  head: RequestHead,
): RequestHead {
  if (proxyUser === undefined) return head;
  const { name, secretName, isTrusted } = proxyUser;
  const isForged = head.headers.has(name) && !isTrusted(peerOf(c));
  if (!isForged && !head.headers.has(secretName)) return head;
  const headers = new Map(head.headers);
  headers.delete(secretName);
  if (isForged) headers.delete(name);
  return { ...head, headers };
}

export const MCP_PATH = /^\/(?:servers\/[^/]+\/)?(?:mcp|sse|message)$/;

/** The resource that a URL belongs to: clients know an endpoint by the URL that they were given. */
export function resourcePath(path: string): string {
  if (path.endsWith("/mcp") && MCP_PATH.test(path)) return path;
  if (MCP_PATH.test(path)) return path.replace(/message$/, "sse");
  return /^\/api(?:\/|$)/.test(path) ? "/api" : "";
}
