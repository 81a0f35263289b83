/**
 * Takes members out of objects, and elements out of arrays, by edits of the message around them.
 *
 * @module
 */
import type { Edit } from "./edit.ts";
import type { Member, Span } from "./json_scan.ts";

/** Edits that take some of these members out of their object. */
export function withoutMembers(
  members: readonly Member[],
  isUnwanted: (member: Member) => boolean,
): Edit[] {
  if (!members.some(isUnwanted)) return [];
  const parts = members.map((member) => ({ start: member.nameStart, end: member.end, member }));
  return withoutParts(parts, ({ member }) => isUnwanted(member));
}

/**
 * Edits that take some of these parts out, each run of them with the comma that it leaves over.
 * @param parts all that stand between one pair of brackets, in order
 */
export function withoutParts<T extends Span>(
  parts: readonly T[],
  isUnwanted: (part: T) => boolean,
): Edit[] {
  const edits: Edit[] = [];
  for (let first = 0; first < parts.length; first++) {
    if (!isUnwanted(parts[first]!)) continue;
    let last = first;
    while (last + 1 < parts.length && isUnwanted(parts[last + 1]!)) last++;
    const before = parts[first - 1];
    const behind = parts[last + 1];
    const isLast = behind === undefined && before !== undefined;
    edits.push({
      start: isLast ? before.end : parts[first]!.start,
      end: behind?.start ?? parts[last]!.end,
      value: NOTHING,
    });
    first = last;
  }
  return edits;
}

const NOTHING = new Uint8Array();
