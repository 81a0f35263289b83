/**
 * Headers of a client's request that its upstream server gets too: those that the server's record
 * lists, of those that may be listed at all.
 *
 * @module
 * @see security.md, UPC-01, UPC-02, UPC-04
 */
import { isHeaderValue, isPassable } from "./header_fields.ts";

/**
 * The names that are really handed on: a record may be older than the rules, and what the gateway
 * presents itself is never replaced.
 * @param own lower-cased names that the server's record sets
 */
export function passableNames(
  listed: readonly string[],
  own: ReadonlySet<string>,
): readonly string[] {
  const names = new Set(listed.map((name) => name.toLowerCase()));
  return [...names].filter((name) => isPassable(name) && !own.has(name));
}

/**
 * Header lines for these names, each ended by CRLF; a value that cannot stand in a line is left out.
 * @param headers of the client, by lower-cased name
 */
export function passedLines(
  names: readonly string[],
  headers: ReadonlyMap<string, string>,
): string {
  let lines = "";
  const credential = credentialOf(headers);
  for (const name of names) {
    const value = headers.get(name)?.trim();
    if (value === undefined || !isHeaderValue(value)) continue;
    // Under whichever name: what opens the gateway is not for its upstream servers.
    if (credential !== undefined && value.includes(credential)) continue;
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** The client's own credential without its scheme. */
function credentialOf(headers: ReadonlyMap<string, string>): string | undefined {
  const value = headers.get("authorization")?.trim();
  const credential = value?.slice(value.indexOf(" ") + 1).trim();
  return credential === "" ? undefined : credential;
}
