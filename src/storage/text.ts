/**
 * Texts as a database can keep them. Neither takes every text of JavaScript: PostgreSQL refuses
 * U+0000, and half a surrogate pair becomes another character in UTF-8 without a word.
 *
 * @module
 */

/** Marks what is kept as JSON, in which every character can be written as ASCII. */
const ESCAPED = "\u0001";

/** The same text where that is possible. `textOf` gives it back in any case. */
export function keptText(text: string): string {
  const isPlain = text.isWellFormed() && !text.includes("\0") && !text.startsWith(ESCAPED);
  return isPlain ? text : ESCAPED + JSON.stringify(text);
}

export function textOf(kept: string): string {
  return kept.startsWith(ESCAPED) ? JSON.parse(kept.slice(ESCAPED.length)) : kept;
}
