/**
 * Header lines of a request to an API that arguments say.
 *
 * @module
 * @see security.md, TOOL-08
 */
import { LIMITS } from "../../domain/limits.ts";
import { isHeaderValue, isPassable } from "../header_fields.ts";
import { refused } from "./refused.ts";
import type { Given } from "./request_url.ts";
import { inOneText } from "./styles.ts";

/**
 * Whether an argument may be sent in the header: none that frames the request, belongs to one hop,
 * or says who asks.
 */
export function isArgumentHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === "accept-language" || isPassable(lower) && !CREDENTIAL.test(lower);
}

const CREDENTIAL = /api-?key|secret|(?:access|api|auth|refresh|security|session)-?token|^x-auth-/;

/** Headers that the record of a tool may set, although arguments and other records may not. */
export function isOwnHeader(name: string): boolean {
  return /^(?:accept|content-type)$/i.test(name);
}

/**
 * Lines, each ended by CRLF.
 * @param taken lower-cased names that the tool sets itself
 * @throws {GatewayError} `invalid_params`
 */
export function headerLines(given: readonly Given[], taken: ReadonlySet<string>): string {
  let lines = "";
  for (const { place, value } of given) {
    const json = place.contentType === undefined ? value : JSON.stringify(value);
    const text = inOneText(place, place.as, json, (item) => item);
    if (text === undefined) continue;
    if (!isHeaderValue(text)) throw refused(place.name, "holds what a header cannot");
    if (!isArgumentHeader(place.as) || taken.has(place.as.toLowerCase())) {
      throw refused(place.name, "cannot be sent in its header");
    }
    lines += `${place.as}: ${text}\r\n`;
    if (lines.length > LIMITS.mirrorLinesBytes) {
      throw refused(place.name, "is too long for a header");
    }
  }
  return lines;
}
