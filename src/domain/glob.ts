/**
 * Globs: how people choose names and URIs by pattern.
 *
 * @module
 */

/**
 * True for text that one of the patterns fits, from its first character to its last. `*` stands for
 * any run of characters, `/` and none at all included; everything else, upper and lower case too,
 * stands for itself.
 *
 * Takes the time of searching each literal piece once: nothing is tried twice.
 */
export function globMatcher(patterns: readonly string[]): (text: string) => boolean {
  if (patterns.some((pattern) => /^\*+$/.test(pattern))) return () => true;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const globs = patterns.filter((pattern) => pattern.includes("*")).map(globOf);
  if (globs.length === 0) return (text) => exact.has(text);
  return (text) => exact.has(text) || globs.some((glob) => fits(glob, text));
}

interface Glob {
  readonly head: string;
  /** What has to follow in this order, at any distance. */
  readonly middle: readonly string[];
  readonly tail: string;
}

function globOf(pattern: string): Glob {
  const pieces = pattern.split("*");
  return {
    head: pieces[0]!,
    middle: pieces.slice(1, -1).filter((piece) => piece !== ""),
    tail: pieces.at(-1)!,
  };
}

function fits({ head, middle, tail }: Glob, text: string): boolean {
  const end = text.length - tail.length;
  if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let at = head.length;
  for (const piece of middle) {
    // The first place is the best: it leaves most to those that follow.
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= end;
}
