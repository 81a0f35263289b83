/**
 * Work cut so that no part of it keeps the event loop for long.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import { systemClock } from "../platform/clock.ts";
import { createPace } from "../platform/pace.ts";

/**
 * In order, each of 1, 2, 4 … `databaseSliceRows` entries: every length is a statement of its own,
 * and the database keeps those.
 *
 * @param charsOf size of an entry; a slice of more than one is at most `databaseSliceChars`
 */
export function* slicesOf<T>(
  entries: readonly T[],
  charsOf: (entry: T) => number,
): Generator<readonly T[]> {
  for (let from = 0; from < entries.length;) {
    let fitting = 0;
    let chars = 0;
    while (fitting < LIMITS.databaseSliceRows && from + fitting < entries.length) {
      chars += charsOf(entries[from + fitting]!);
      if (fitting > 0 && chars > LIMITS.databaseSliceChars) break;
      fitting++;
    }
    const length = 2 ** Math.floor(Math.log2(fitting));
    yield entries.slice(from, from + length);
    from += length;
  }
}

/** Runs `work` on each slice, others in between. */
export async function inSlices<T>(
  entries: readonly T[],
  charsOf: (entry: T) => number,
  work: (slice: readonly T[]) => Promise<unknown>,
): Promise<void> {
  const pace = createPace(systemClock.monotonic);
  for (const slice of slicesOf(entries, charsOf)) {
    await work(slice);
    await pace();
  }
}

/** A page of what is read. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** What was read for it. */
  readonly chars: number;
}

/**
 * All that `page` gives, others in between. Pages are as long as what was read before them allows.
 *
 * @param page what follows the entry, at most `limit`; fewer when that is all
 */
export async function allPages<T>(
  page: (after: T | undefined, limit: number) => Promise<Page<T>>,
): Promise<T[]> {
  const all: T[] = [];
  const pace = createPace(systemClock.monotonic);
  for (let limit = FIRST_PAGE;;) {
    const { entries, chars } = await page(all.at(-1), limit);
    for (const entry of entries) all.push(entry);
    if (entries.length < limit) return all;
    const fitting = Math.floor(LIMITS.databasePageChars * entries.length / (chars + 1));
    limit = Math.max(1, Math.min(fitting, LIMITS.databaseSliceRows));
    await pace();
  }
}

/** So few that they are no pause even when each is as large as it may be. */
const FIRST_PAGE = 8;

export function pageOf<R, T>(
  rows: readonly R[],
  read: (row: R) => T,
  charsOf: (row: R) => number,
): Page<T> {
  let chars = 0;
  for (const row of rows) chars += charsOf(row);
  return { entries: rows.map(read), chars };
}
