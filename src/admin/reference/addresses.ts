/**
 * URLs of the reference system's document, without the secrets that people write into them.
 *
 * @module
 */
import { NotTaken } from "./entry.ts";
import type { OwnNotes } from "./notes.ts";

/** Parameters by names such as these are keys: what they are set to is never copied. */
const SECRET =
  /^auth(?:$|[-_]|ori[sz])|token|secret|passw|pwd|credential|signature|^sig$|(?:^|api|[-_.])key$|session|jwt/i;

export interface Address {
  readonly url: string;
  /** A secret was in it, which has to be given in another way first. */
  readonly isLacking: boolean;
}

/**
 * The text as it was written, without user name, password, fragment, and parameters that look like
 * secrets; each is noted.
 * @throws {NotTaken} for what is no http URL
 */
export function addressOf(text: string, { lost, toFillIn }: OwnNotes): Address {
  const [, start, authority, rest] = /^(https?:\/\/)([^/?#\\]*)(.*)$/is.exec(text.trim()) ?? [];
  if (start === undefined || authority === undefined || rest === undefined || authority === "") {
    throw new NotTaken('Its "url" is not an http or https URL');
  }
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  if (host !== authority) toFillIn("auth: user name and password, which were in its URL");
  const [target, fragment] = splitAt(rest, "#");
  if (fragment !== undefined && fragment !== "") lost("The fragment of its URL is never sent");
  const [path, query] = splitAt(target, "?");
  const pairs = (query ?? "").split("&").filter((pair) => pair !== "");
  const kept = pairs.filter((pair) => !isSecret(pair));
  if (kept.length < pairs.length) {
    toFillIn("auth: a key in the query of its URL, which has to go into a header here");
  }
  return {
    url: `${start}${host}${path}${kept.length === 0 ? "" : `?${kept.join("&")}`}`,
    isLacking: host !== authority || kept.length < pairs.length,
  };
}

/** A place for an argument holds no secret. */
function isSecret(pair: string): boolean {
  const [name, value] = splitAt(pair, "=");
  return value !== undefined && !/^\{[^{}]*\}$/.test(value) && SECRET.test(name);
}

function splitAt(text: string, mark: string): readonly [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
