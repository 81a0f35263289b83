/**
 * Whether a parsed JSON value is small enough to be walked.
 *
 * @module
 */

export interface ValueBounds {
  /** Objects and arrays around the innermost value. */
  readonly depth: number;
  /** Members plus elements, at every depth. */
  readonly nodes: number;
}

/** Keeps its own stack: a value that is too deep cannot exhaust the one of the program. */
export function isBoundedJson(value: unknown, bounds: ValueBounds): boolean {
  let nodes = 0;
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const below: unknown[] = [];
    let isContained = false;
    for (const each of level) {
      if (typeof each !== "object" || each === null) continue;
      isContained = true;
      const members = Array.isArray(each) ? each : Object.values(each);
      nodes += members.length;
      if (nodes > bounds.nodes) return false;
      for (const member of members) below.push(member);
    }
    if (isContained && depth === bounds.depth) return false;
    level = below;
  }
  return true;
}
