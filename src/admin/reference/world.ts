/**
 * What the entries of one document share: where they go, the names that are taken, what they refer to
 * each other by.
 *
 * @module
 */
import { type BundleEntry, type BundleList, ENTRIES } from "../api/bundle.ts";
import { type Entry, entryOf, NotTaken, shown, shownName } from "./entry.ts";
import { createSpace, ITEM_CHARS_MAX, SLUG_CHARS_MAX, type Space } from "./names.ts";
import { noteLeft, type Notes, type OwnNotes } from "./notes.ts";
import { createRegister, type Register } from "./register.ts";
import type { Audience } from "./audience.ts";
import type { RefusalOf } from "./refusals.ts";

/** A gateway, as what it offers is tied to it. */
export interface Gateway {
  readonly slug: string;
  readonly audience: Audience;
}

/** Lists of a bundle that the document has something for. */
type Filled = Exclude<BundleList, "tokens" | "revocations">;
type Lists = { readonly [L in Filled]: BundleEntry<L>[] };

export interface World {
  /** `GATEWAY_TOOL_NAME_SEPARATOR` */
  readonly separator: string;
  readonly refusalOf: RefusalOf;
  readonly lists: Lists;
  readonly notes: Notes;
  readonly slugs: Space;
  readonly teamSlugs: Space;
  readonly toolNames: Space;
  readonly promptNames: Space;
  /** See `subjectKey`. */
  readonly userKeys: Set<string>;
  /** Slugs of them. */
  readonly teams: Register<string>;
  readonly gateways: Register<Gateway>;
  /** Slugs of gateways there, and what they are here. */
  readonly gatewaySlugs: Map<string, string>;
  /** Names in `/mcp`, or URIs. */
  readonly tools: Register<string>;
  readonly prompts: Register<string>;
  readonly resources: Register<string>;
}

export function createWorld(notes: Notes, separator: string, refusalOf: RefusalOf): World {
  return {
    lists: {
      teams: [],
      users: [],
      upstreams: [],
      tools: [],
      prompts: [],
      resources: [],
      servers: [],
      items: [],
    },
    notes,
    separator,
    refusalOf,
    slugs: createSpace("-", SLUG_CHARS_MAX),
    teamSlugs: createSpace("-", SLUG_CHARS_MAX),
    toolNames: createSpace("_", ITEM_CHARS_MAX),
    promptNames: createSpace("_", ITEM_CHARS_MAX),
    userKeys: new Set(),
    teams: createRegister(),
    gateways: createRegister(),
    gatewaySlugs: new Map(),
    tools: createRegister(),
    prompts: createRegister(),
    resources: createRegister(),
  };
}

/** Reads one entry, of this kind; one that becomes nothing is noted, and that is all. */
export function takeEntry(
  { notes }: World,
  kind: string,
  value: unknown,
  take: (entry: Entry, notes: OwnNotes) => void,
): void {
  const name = shownName(value);
  // Noted when it is known that the entry itself is taken: what becomes nothing has one note.
  const later: (() => void)[] = [];
  let record = { kind, name };
  const own: OwnNotes = {
    becomes: (kind, name) => void (record = { kind, name }),
    lost: (reason) => void later.push(() => notes.notTaken(kind, name, reason)),
    toFillIn: (what) => void later.push(() => notes.toFillIn(record.kind, record.name, what)),
  };
  try {
    const entry = entryOf(value);
    take(entry, own);
    noteLeft(entry, own);
  } catch (error) {
    if (!(error instanceof NotTaken)) throw error;
    return notes.notTaken(kind, name, error.message);
  }
  for (const note of later) note();
}

/**
 * The entry without members that are undefined.
 * @throws {NotTaken} when there can be no such record, naming the first place
 */
export function fitting<L extends Filled>(
  { refusalOf }: World,
  list: L,
  entry: Loose<BundleEntry<L>>,
): BundleEntry<L> {
  const given = Object.fromEntries(
    Object.entries(entry).filter(([, value]) => value !== undefined),
  ) as BundleEntry<L>;
  const [issue] = ENTRIES[list].safeParse(given).error?.issues ?? [];
  if (issue !== undefined) {
    throw new NotTaken(
      `"${shown(issue.path.map(String).join("."))}" does not fit: ${issue.message}`,
    );
  }
  const refusal = refusalOf(list, given);
  if (refusal !== undefined) throw new NotTaken(refusal);
  return given;
}

/** Any member may be undefined: it is then not there. */
type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

/** `enabled`, in either spelling and version; on unless it says otherwise. */
export function isOff(entry: Entry): boolean {
  const active = entry.flag("is_active");
  const enabled = entry.flag("enabled");
  return (active ?? enabled) === false;
}
