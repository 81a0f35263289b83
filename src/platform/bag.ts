/**
 * Things that come and go thousands of times a second, in no order.
 *
 * A `Set` would do, but V8 replaces its table as it grows and shrinks, and each old table leads to
 * the next one with all that it held: garbage then survives every minor collection. Measured, that
 * made collections ten times longer and cost a fifth of the throughput.
 *
 * @module
 */

/** What a bag keeps in each of its members. */
export interface Bagged {
  /** Where it lies; -1 outside of the bag. Only the bag writes it. */
  slot: number;
}

export interface Bag<T extends Bagged> {
  readonly add: (member: T) => void;
  /** Nothing happens when it is not in the bag. */
  readonly remove: (member: T) => void;
  /** The members now; adding and removing meanwhile does not disturb the caller. */
  readonly list: () => readonly T[];
  readonly find: (isMeant: (member: T) => boolean) => T | undefined;
  readonly size: () => number;
}

export function createBag<T extends Bagged>(): Bag<T> {
  const members: T[] = [];
  return {
    add(member) {
      member.slot = members.length;
      members.push(member);
    },
    remove(member) {
      if (member.slot < 0) return;
      const last = members.pop()!;
      if (last !== member) {
        members[member.slot] = last;
        last.slot = member.slot;
      }
      member.slot = -1;
    },
    list: () => [...members],
    find: (isMeant) => members.find(isMeant),
    size: () => members.length,
  };
}
