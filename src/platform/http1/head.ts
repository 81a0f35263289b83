/**
 * Reads the head of an HTTP/1.1 response.
 *
 * Strict where leniency lets two readers disagree on where a message ends: bare CR, folded lines,
 * differing lengths, a length next to a transfer coding.
 *
 * @module
 * @see RFC 9112, sections 4 to 6
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";

export interface ResponseHead {
  readonly status: number;
  /** Lower-case names; repeated fields joined with `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly framing: Framing;
  /** Whether the connection may serve another request after the body. */
  readonly keepAlive: boolean;
}

/** How the end of the body is found. `length` counts bytes; `close` ends with the connection. */
export type Framing =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

const latin1 = new TextDecoder("latin1");
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;

/** The end of the head (the index after the empty line), or -1 when it is not complete yet. */
export function headEnd(buffer: Uint8Array, start: number, end: number): number {
  let lf = buffer.indexOf(10, start);
  while (lf >= 0 && lf < end) {
    if (lf + 1 < end && buffer[lf + 1] === 10) return lf + 2;
    if (lf + 2 < end && buffer[lf + 1] === 13 && buffer[lf + 2] === 10) return lf + 3;
    lf = buffer.indexOf(10, lf + 1);
  }
  return -1;
}

/** @throws {GatewayError} `upstream_protocol` when the head is not well-formed HTTP/1.x */
export function parseHead(bytes: Uint8Array): ResponseHead {
  const text = latin1.decode(bytes);
  let lineEnd = text.indexOf("\n");
  const status = STATUS_LINE.exec(withoutCr(text, 0, lineEnd));
  if (!status) throw broken("status line");
  const headers = new Map<string, string>();
  let lines = 0;
  for (let start = lineEnd + 1; start < text.length; start = lineEnd + 1) {
    lineEnd = text.indexOf("\n", start);
    const line = withoutCr(text, start, lineEnd);
    if (line === "") break;
    if (++lines > LIMITS.upstreamHeaderLines) throw broken("number of headers");
    addHeader(headers, line);
  }
  const code = Number(status[2]);
  const framing = framingOf(code, headers);
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  const persistent = status[1] === "1" ? !connection.includes("close") : false;
  return { status: code, headers, framing, keepAlive: persistent && framing.kind !== "close" };
}

function withoutCr(text: string, start: number, end: number): string {
  return text.slice(start, text.charCodeAt(end - 1) === 0x0d ? end - 1 : end);
}

function addHeader(headers: Map<string, string>, line: string): void {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
  // A space before the colon, or at the start of a folded line, hides a header from one reader
  // and shows it to another.
  if (name === "" || name.includes(" ") || name.includes("\t")) throw broken("header name");
  const value = line.slice(colon + 1).trim();
  if (value.includes("\r") || value.includes("\0")) throw broken("header value");
  const earlier = headers.get(name);
  headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
}

function framingOf(status: number, headers: ReadonlyMap<string, string>): Framing {
  const length = headers.get("content-length");
  const coding = headers.get("transfer-encoding")?.toLowerCase();
  if (status < 200 || status === 204 || status === 304) return { kind: "length", bytes: 0 };
  if (coding !== undefined) {
    if (length !== undefined || coding !== "chunked") throw broken("transfer coding");
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "close" };
  // A repeated equal length arrives joined; anything but plain digits is refused with it.
  if (!/^\d{1,15}$/.test(length)) throw broken("content length");
  return { kind: "length", bytes: Number(length) };
}

function broken(what: string): GatewayError {
  return new GatewayError("upstream_protocol", "The upstream server sent a malformed HTTP reply", {
    cause: new Error(`Malformed ${what}`),
  });
}
