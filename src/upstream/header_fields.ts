/**
 * Header fields of requests to upstream servers: which names may be chosen by whom, and what a
 * value may hold.
 *
 * The config file and the API ask when a record is made; what sends asks again.
 *
 * @module
 * @see RFC 9110, section 5; security.md, UPC-01, UPC-02, UPC-04
 */
import { Buffer } from "node:buffer";

/** A field name: `token` of RFC 9110, section 5.6.2. */
export function isHeaderName(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/.test(name);
}

/** Printable ASCII: nothing that could end the line, or be read differently by two readers. */
export function isHeaderValue(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value);
}

/** Whether a server's record may set the header: not when the transport or the protocol does. */
export function isSettable(name: string): boolean {
  const lower = name.toLowerCase();
  return isHeaderName(name) && !TRANSPORT.has(lower) && !/^mcp-/.test(lower);
}

/** Whether a client's own header may be handed on to a server whose record lists it. */
export function isPassable(name: string): boolean {
  const lower = name.toLowerCase();
  return isSettable(lower) && !NEVER_PASSED.has(lower) && !NEVER_PASSED_LIKE.test(lower);
}

/** @see RFC 7617, section 2 */
export function basicCredentials(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Framing, hop-by-hop (RFC 9110, section 7.6.1), and what each request says about itself. */
const TRANSPORT: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "content-type",
  "content-encoding",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "http2-settings",
  "accept",
  "accept-encoding",
  "last-event-id",
]);

/** Who asks, from where, and with which browser: the upstream server has another client. */
const NEVER_PASSED: ReadonlySet<string> = new Set([
  "cookie",
  "cookie2",
  "set-cookie",
  "set-cookie2",
  "forwarded",
  "via",
  "origin",
  "referer",
  "user-agent",
  "from",
  "client-ip",
  "true-client-ip",
  "fastly-client-ip",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-original-url",
  "x-rewrite-url",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "www-authenticate",
]);

/** Credentials by any name, whatever proxies and this gateway say among themselves. */
const NEVER_PASSED_LIKE =
  /authorization|^(?:proxy|content|accept|sec|x-forwarded|x-original|x-mcp|x-proxy|x-sallyport|x-authenticated|x-auth-request|x-envoy|cf)-|^(?:x-forwarded|x-authenticated)$/;
