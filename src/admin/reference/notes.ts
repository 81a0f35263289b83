/**
 * What is noted while the reference system's document is read: what becomes nothing, in its own words,
 * and which secrets have to be given again, in those of the gateway. No value of the document is.
 *
 * @module
 */
import type { NotTaken as Note, ToFillIn } from "../api/bundle.ts";
import { type Entry, shown } from "./entry.ts";

export interface Notes {
  readonly notTaken: (kind: string, name: string, reason: string) => void;
  readonly toFillIn: (kind: string, name: string, what: string) => void;
  readonly report: () => {
    readonly notTaken: readonly Note[];
    readonly toFillIn: readonly ToFillIn[];
  };
}

export function createNotes(): Notes {
  const notTaken: Note[] = [];
  const toFillIn: ToFillIn[] = [];
  return {
    notTaken: (kind, name, reason) => void notTaken.push({ kind, name: shown(name), reason }),
    toFillIn: (kind, name, what) => void toFillIn.push({ kind, name: shown(name), what }),
    report: () => ({ notTaken, toFillIn }),
  };
}

/** The same for one entry: its kind and name are known. */
export interface OwnNotes {
  readonly lost: (reason: string) => void;
  /** What it is here: that is where secrets are filled in. */
  readonly becomes: (kind: string, name: string) => void;
  readonly toFillIn: (what: string) => void;
}

const NAMES_MAX = 10;

/** Members of it that become nothing, in one sentence. */
export function noteLeft(entry: Entry, { lost }: OwnNotes): void {
  const left = entry.left();
  if (left.length > 0) lost(`There is no place here for ${inWords(left)}`);
}

/** As many as help, in quotes. */
export function inWords(names: readonly string[]): string {
  const first = names.slice(0, NAMES_MAX).map((name) => `"${shown(name)}"`).join(", ");
  const more = names.length - NAMES_MAX;
  return more > 0 ? `${first} and ${more} more` : first;
}
