/**
 * Reads the head of a request once, and refuses what two readers could understand differently:
 * paths not in normal form, a target that contradicts the Host header, doubled headers.
 *
 * @module
 * @see RFC 9112, sections 3.2 and 5; RFC 3986, section 6
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export interface RequestHead {
  readonly method: string;
  /** In normal form, as sent. */
  readonly path: string;
  /** With its question mark; empty for none. */
  readonly query: string;
  /** Lower-case, with the port where one was sent. */
  readonly host: string;
  /** Lower-case names; repeated fields joined with `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Size of the head as it was sent, as far as it can be told from what was read. */
  readonly wireBytes: number;
  /** The `Mcp-Param-*` among them. */
  readonly mcpParams: readonly (readonly [name: string, value: string])[];
}

/** @throws {GatewayError} `invalid_request`, `uri_too_long`, `headers_too_large` */
export function readHead(request: Request): RequestHead {
  const { authority, target } = splitUrl(request.url);
  if (target.length > LIMITS.requestUriBytes) {
    throw new GatewayError("uri_too_long", "The URI is too long");
  }
  const { headers, headerBytes, mcpParams } = readHeaders(request.headers);
  const host = headers.get("host")?.toLowerCase();
  if (host === undefined || host === "" || host.includes(",")) throw invalid("One Host is needed");
  // An absolute request target names a host of its own: what is checked must be what is used.
  if (authority.toLowerCase() !== host) throw invalid("The target and the Host header disagree");
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  if (!isNormalPath(path)) throw invalid("The path is not in normal form");
  const { method } = request;
  const wireBytes = `${method} ${target} HTTP/1.1\r\n\r\n`.length + headerBytes;
  return { method, path, query: target.slice(path.length), host, headers, wireBytes, mcpParams };
}

/** `http://authority/target` as the server gives it: not parsed, because parsing repairs. */
function splitUrl(url: string): { authority: string; target: string } {
  const start = url.indexOf("://") + 3;
  const slash = url.indexOf("/", start);
  if (slash < 0) return { authority: url.slice(start), target: "/" };
  return { authority: url.slice(start, slash), target: url.slice(slash) };
}

function readHeaders(source: Headers) {
  const headers = new Map<string, string>();
  const mcpParams: [string, string][] = [];
  let headerBytes = 0;
  source.forEach((value, name) => {
    headerBytes += name.length + value.length + 4;
    headers.set(name, value);
    if (name.startsWith("mcp-param-")) mcpParams.push([name, value]);
  });
  if (headerBytes > LIMITS.requestHeaderBytes) {
    throw new GatewayError("headers_too_large", "The request headers are too large");
  }
  for (const name of SINGLE) {
    if (headers.get(name)?.includes(",")) throw invalid(`The header ${name} was sent twice`);
  }
  return { headers, headerBytes, mcpParams };
}

/**
 * Headers that decide who is calling and what is meant, and that never contain a comma. (A doubled
 * `Origin` is in no list, a doubled `Mcp-*` mirror equals nothing: those refuse themselves.)
 */
const SINGLE = [
  "authorization",
  "content-type",
  "content-length",
  "mcp-session-id",
  "last-event-id",
];

/** Every character that may stand unencoded, or an escape of one that may not. */
const PATH = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})+$/;

/** Escapes of characters that need none, and of those that change a path's meaning. */
const WRONG_ESCAPE =
  /%(?:2[DdEeFf]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaCcFf]|6[1-9A-Fa-f]|7[0-9AaEeFf]|[01])/;

export function isNormalPath(path: string): boolean {
  if (/^(?:\/[A-Za-z0-9\-_]+)+$/.test(path)) return true;
  return path.startsWith("/") && PATH.test(path) && !WRONG_ESCAPE.test(path) &&
    !path.includes("//") && !/\/\.{1,2}(?:\/|$)/.test(path);
}

function invalid(message: string): GatewayError {
  return new GatewayError("invalid_request", message);
}
