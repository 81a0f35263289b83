/**
 * The names that items get at their first discovery, and keep: in aggregated views, and as aliases
 * of URIs that two servers have.
 *
 * @module
 * @see contract.md, section 4
 */
import { createHash } from "node:crypto";
import { GatewayError } from "./errors.ts";

/** What every client accepts as the name of a tool. */
const NAME_CHARS_MAX = 64;
const OTHER_CHARS = /[^A-Za-z0-9_./-]/gu;
const HASH_DIGITS = 8;

/** More than the items of one server: nobody can take every name that another's item may get. */
const ATTEMPTS_MAX = 20_000;

/**
 * `<slug><separator><upstream name>` with the upstream name unchanged. Where that is over 64
 * characters, outside of `[A-Za-z0-9_./-]` or taken: cut, other characters as `_`, and ended by `-`
 * and 8 hex digits, which are the same every time.
 *
 * @throws {GatewayError} `conflict` when all names that it could have are taken
 */
export function exposedName(
  slug: string,
  separator: string,
  upstreamName: string,
  isTaken: (name: string) => boolean,
): string {
  const whole = `${slug}${separator}${upstreamName}`;
  const plain = whole.replace(OTHER_CHARS, "_");
  if (whole.length <= NAME_CHARS_MAX && plain === whole && !isTaken(whole)) return whole;
  const head = plain.slice(0, NAME_CHARS_MAX - HASH_DIGITS - 1);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const name = `${head}-${hashOf(slug, upstreamName, attempt)}`;
    if (!isTaken(name)) return name;
  }
  throw new GatewayError("conflict", "Every name that this item could have is taken");
}

/**
 * What the URI or URI template of one server is called where another owns it: `<uri>#<slug>`, or
 * `<uri>~<slug>` for one with a `#`; numbered from 2 when even that is taken.
 *
 * @throws {GatewayError} `conflict` when all numbers are taken
 */
export function aliasUri(uri: string, slug: string, isTaken: (uri: string) => boolean): string {
  const alias = `${uri}${uri.includes("#") ? "~" : "#"}${slug}`;
  if (!isTaken(alias)) return alias;
  for (let number = 2; number < ATTEMPTS_MAX; number++) {
    const numbered = `${alias}-${number}`;
    if (!isTaken(numbered)) return numbered;
  }
  throw new GatewayError("conflict", "Every alias that this URI could have is taken");
}

function hashOf(slug: string, upstreamName: string, attempt: number): string {
  // As JSON, no two lists are one text, whatever the name holds.
  const text = JSON.stringify(attempt === 0 ? [slug, upstreamName] : [slug, upstreamName, attempt]);
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
}
