/**
 * `ETag` and `If-Match`: whoever changes a record can say which version of it they have seen.
 *
 * @module
 * @see RFC 9110, sections 8.8.3 and 13.1.1
 */
import type { Precondition } from "../../catalog/editing.ts";
import { FaultyRequest } from "../../domain/errors.ts";

export function etagOf(version: string): string {
  return `"${version}"`;
}

const TAG = '(?:W/)?"[\\x21\\x23-\\x7e]*"';
const LIST = new RegExp(`^${TAG}(?:[ \\t]*,[ \\t]*${TAG})*$`);

/**
 * @param header value of `If-Match`
 * @throws {FaultyRequest}
 */
export function preconditionOf(header: string | null): Precondition {
  if (header === null || header.trim() === "*") return () => true;
  const list = header.trim();
  if (!LIST.test(list)) {
    throw new FaultyRequest("invalid_request", "The header If-Match is malformed", [
      { path: "If-Match", message: "must be * or ETags in quotes" },
    ]);
  }
  // A weak tag equals nothing here: the comparison is the strong one.
  const tags = new Set(list.match(new RegExp(TAG, "g")));
  return (version) => tags.has(etagOf(version));
}
