/**
 * Requests as the server hands them over: the URL as it was sent, not as `Request` would repair it.
 *
 * @module
 */
import { readHead, type RequestHead } from "../../src/http/request_head.ts";

/** A value of `undefined` takes the header away; a name may stand several times. */
export type HeaderList = readonly (readonly [name: string, value: string | undefined])[];

export interface RequestParts {
  readonly method?: string;
  readonly url: string;
  /** `Host` is that of the URL unless it is given here. */
  readonly headers?: HeaderList;
}

export function requestWith({ method = "POST", url, headers = [] }: RequestParts): Request {
  const all = new Headers();
  const names = headers.map(([name]) => name.toLowerCase());
  if (!names.includes("host")) all.set("host", url.split("/")[2]!);
  for (const [name, value] of headers) if (value !== undefined) all.append(name, value);
  // Only what the head is read from; `Request` itself would normalise the URL.
  return { method, url, headers: all } as unknown as Request;
}

/** The head of a request that is in order. */
export function headOf(parts: RequestParts): RequestHead {
  return readHead(requestWith(parts));
}
