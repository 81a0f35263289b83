/**
 * Pages of lists. A cursor is the place of the last record that was given, so records that come and
 * go in between are neither given twice nor make others be left out.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { FaultyRequest } from "../../domain/errors.ts";

/** Where a record stands: compared member by member, and never the same for two. */
export type Place = readonly (number | string)[];

export interface PageOptions<T> {
  /** Of which list; a cursor of another one is not taken. */
  readonly list: string;
  readonly cursor: string | undefined;
  readonly limit: number;
  readonly placeOf: (record: T) => Place;
  /** A page ends early, though not before its first record, when its weights come to more. */
  readonly weightOf?: (record: T) => number;
  readonly weightMax?: number;
}

export interface Page<T> {
  readonly records: readonly T[];
  readonly nextCursor: string | undefined;
}

/** @throws {FaultyRequest} for a cursor that no page of this list ended with */
export function pageOf<T>(records: readonly T[], options: PageOptions<T>): Page<T> {
  const { limit, weightOf = () => 0, weightMax = Infinity } = options;
  const placed = records.map((record) => ({ record, place: options.placeOf(record) }))
    .sort((a, b) => compare(a.place, b.place));
  const after = options.cursor === undefined ? undefined : readCursor(options.list, options.cursor);
  // All places are alike.
  if (after !== undefined && placed.length > 0) checkPlace(after, placed[0]!.place);
  const start = after === undefined
    ? 0
    : placed.findIndex(({ place }) => compare(place, after) > 0);
  if (start < 0) return { records: [], nextCursor: undefined };
  let end = start;
  for (let weight = 0; end < placed.length && end - start < limit; end++) {
    weight += weightOf(placed[end]!.record);
    if (weight > weightMax && end > start) break;
  }
  const last = end < placed.length ? placed[end - 1] : undefined;
  return {
    records: placed.slice(start, end).map(({ record }) => record),
    nextCursor: last && writeCursor(options.list, last.place),
  };
}

function compare(a: Place, b: Place): number {
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [a[i]!, b[i]!];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

function writeCursor(list: string, place: Place): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString("base64url");
}

const CURSOR_CHARS_MAX = 512;

function readCursor(list: string, cursor: string): Place {
  if (cursor.length > CURSOR_CHARS_MAX) throw badCursor();
  const bytes = Buffer.from(cursor, "base64url");
  // What is not base64url is skipped by the decoder: only what it would have written is taken.
  if (bytes.toString("base64url") !== cursor) throw badCursor();
  const [name, ...place] = parsed(bytes.toString());
  if (name !== list || place.length === 0) throw badCursor();
  return place.map((part) => {
    if (typeof part !== "string" && typeof part !== "number") throw badCursor();
    return part;
  });
}

function parsed(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw badCursor();
}

/** Numbers and text cannot be compared: a place that was made up must not pass for one. */
function checkPlace(place: Place, like: Place): void {
  const fits = place.length === like.length &&
    place.every((part, i) => typeof part === typeof like[i]);
  if (!fits) throw badCursor();
}

function badCursor(): FaultyRequest {
  return new FaultyRequest("invalid_request", "The cursor is not one of this list", [
    { path: "cursor", message: "must be the nextCursor of a page of this list" },
  ]);
}
