/**
 * The URL of a REST tool: fixed text, and places for arguments in its path and query.
 *
 * @module
 * @see security.md, TOOL-09
 */

/** Text, then an argument, then text, and so on: one text more than there are names. */
export interface Template {
  /** Can stand in a request line as they are. */
  readonly texts: readonly string[];
  readonly names: readonly string[];
}

export interface UrlTemplate {
  /** Scheme, host and port; its path means nothing. */
  readonly origin: URL;
  readonly path: Template;
  /** What follows the question mark; one empty text when there is none. */
  readonly query: Template;
}

/** @throws {Error} naming what is wrong with it */
export function parseUrlTemplate(text: string): UrlTemplate {
  const [, start, rest] = /^(https?:\/\/[^/?#\\]*)(.*)$/is.exec(text) ?? [];
  if (start === undefined || rest === undefined) throw new Error("must be an http or https URL");
  if (/[{}]/.test(start)) throw new Error("must not hold a template in scheme, host or port");
  // `@` would make of what looks like a host a user name.
  if (start.includes("@")) throw new Error("must not hold credentials");
  if (!URL.canParse(start)) throw new Error("must be an http or https URL");
  if (/[\p{Cc}\\]/u.test(rest)) throw new Error("must not hold control characters or backslashes");
  if (rest.includes("#")) throw new Error("must not hold a fragment");
  const at = rest.indexOf("?");
  const path = templateOf(at < 0 ? rest : rest.slice(0, at));
  if (hasDotSegment(path.texts.join("x"))) {
    throw new Error('must not hold the segments "." or ".."');
  }
  const query = templateOf(at < 0 ? "" : rest.slice(at + 1));
  const first = path.texts[0]!;
  if (!first.startsWith("/")) {
    if (first !== "" || path.names.length > 0) {
      throw new Error("must have a path that begins with a slash");
    }
    return { origin: new URL(start), path: { texts: ["/"], names: [] }, query };
  }
  return { origin: new URL(start), path, query };
}

/** A segment that a server, or whatever stands before it, could take for a step up. */
export function hasDotSegment(path: string): boolean {
  return /(?:^|\/)(?:\.|%2e){1,2}(?=\/|;|$)/i.test(path);
}

function templateOf(text: string): Template {
  const pieces = text.split(/\{([^{}]*)\}/);
  const texts = pieces.filter((_, i) => i % 2 === 0);
  const names = pieces.filter((_, i) => i % 2 === 1);
  if (texts.some((each) => /[{}]/.test(each)) || names.includes("")) {
    throw new Error("must have its braces in pairs, around names");
  }
  return { texts: texts.map(onWire), names };
}

/** As a browser would send it: what cannot stand in a request line is encoded. */
function onWire(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]|["<>^`|]/gu, encodeURIComponent);
}
