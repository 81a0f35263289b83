/**
 * What an import is about to change, while it is being worked out: every record is judged by what is
 * there and by what came before it in the bundle, and nothing is written.
 *
 * @module
 */
import { isUnrestricted } from "../../domain/access.ts";
import { FaultyRequest, GatewayError } from "../../domain/errors.ts";
import { isNamed, type Item, type ItemKind } from "../../domain/item.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Declarations } from "../../domain/server.ts";
import type { Shelf } from "../../catalog/catalog.ts";
import { randomText } from "../../platform/random.ts";
import type { Pace } from "../../platform/pace.ts";
import { canonicalText } from "../../policy/guardrails/canonical.ts";
import type { TeamRow, UserRow } from "../../storage/account_tables.ts";
import type { ItemRow, OwnChanges, ServerRow, UpstreamRow } from "../../storage/catalog_tables.ts";
import type { ToFillIn } from "../api/bundle.ts";
import type { Everything, Tables } from "./everything.ts";
import type { Nouns } from "./nouns.ts";
import type { Secrets } from "./sealing.ts";

export const STRATEGIES = ["skip", "update", "rename", "fail"] as const;
/** What becomes of a record that is there already. */
export type Strategy = typeof STRATEGIES[number];

export type Action = "created" | "updated" | "unchanged" | "skipped" | "renamed" | "failed";

/** What became of one record. */
export interface Outcome {
  readonly action: Action;
  /** One sentence. */
  readonly reason?: string;
  /** Of one that was renamed. */
  readonly newName?: string;
}

export interface DraftDeps {
  readonly all: Everything;
  readonly principal: Principal;
  readonly strategy: Strategy;
  /** `undefined` without a passphrase. */
  readonly secrets: Secrets | undefined;
  /** At the command line of whoever runs the gateway. */
  readonly isOperator: boolean;
  /** Of the config file, where it may not have been taken over yet. */
  readonly declarations: Declarations;
  /** For the names of virtual servers: all servers as they are shown. */
  readonly shelves: () => readonly Shelf[];
  readonly nouns: Nouns;
  /** @throws {GatewayError} `egress_denied` */
  readonly checkUrl: (url: URL) => void;
  /** `GATEWAY_TOOL_NAME_SEPARATOR` */
  readonly separator: string;
  readonly nowMs: number;
  readonly pace: Pace;
}

/** Whoever has a slug, before the import or by it. */
export interface Holder {
  readonly kind: "upstream" | "server";
  readonly id: string;
  /** `undefined` for one that the import makes. */
  readonly row: UpstreamRow | ServerRow | undefined;
  /** `undefined` for what the config file declares. */
  readonly settings: UpstreamRow["settings"] | ServerRow["settings"];
}

/** Whoever has a name or URI. */
export interface Named {
  readonly id: string;
  readonly item: ItemRow | undefined;
}

export interface Draft extends DraftDeps {
  readonly slugs: Map<string, Holder>;
  readonly names: Names;
  /** Ids, by id and slug. */
  readonly teams: Map<string, string>;
  readonly teamRows: ReadonlyMap<string, TeamRow>;
  /** By key. */
  readonly users: ReadonlyMap<string, UserRow>;
  /** Slugs of servers that were renamed. */
  readonly newSlugs: Map<string, string>;
  /** Those of upstream servers among them: they stand in exposed names, too. */
  readonly newUpstreams: Map<string, string>;
  /** Of tools and prompts. */
  readonly newNames: Map<string, string>;
  readonly own: {
    readonly created: OwnChanges["created"][number][];
    readonly updated: OwnChanges["updated"][number][];
  };
  /** Discovered items by kind and name, by id of the server: made when they are asked for. */
  readonly known: Map<string, ReadonlyMap<string, ItemRow>>;
  /** Items that are not discovered yet, by id of the server. */
  readonly expected: Map<string, Item[]>;
  readonly toFillIn: ToFillIn[];
  /** Made for the first that needs it. */
  readonly once: { shelves?: readonly Shelf[]; ownChars?: number };
  /** How many API tokens each owner has, by key. */
  readonly tokenCounts: Map<string, number>;
  /** Names of teams that records name and nobody knows. */
  readonly unknownTeams: Set<string>;
  readonly write: (write: Write) => void;
  readonly writes: readonly Write[];
  readonly newId: () => string;
  /** The id of the team; of one that is not there, for administrators, its name. */
  readonly teamIdOf: (slugOrId: string) => string | undefined;
}

export type Write = (tables: Tables) => Promise<unknown>;

/** 96 random bits. */
const ID_BYTES = 12;

export function createDraft(deps: DraftDeps): Draft {
  const { all, principal } = deps;
  const writes: Write[] = [];
  const teams = new Map(all.teams.flatMap(({ id, slug }) => [[id, id], [slug, id]]));
  const unknownTeams = new Set<string>();
  const slugs = new Map<string, Holder>();
  for (const row of all.upstreams) slugs.set(row.slug, holderOf("upstream", row));
  for (const row of all.servers) slugs.set(row.slug, holderOf("server", row));
  return {
    ...deps,
    slugs,
    names: createNames(all),
    teams,
    users: new Map(all.users.map((user) => [user.key, user])),
    teamRows: new Map(all.teams.map((team) => [team.slug, team])),
    newSlugs: new Map(),
    newUpstreams: new Map(),
    newNames: new Map(),
    own: { created: [], updated: [] },
    known: new Map(),
    expected: new Map(),
    toFillIn: [],
    once: {},
    tokenCounts: countsOf(all.tokens.map(({ ownerKey }) => ownerKey)),
    unknownTeams,
    write: (write) => void writes.push(write),
    writes,
    newId: () => randomText(ID_BYTES),
    teamIdOf(slugOrId) {
      const id = teams.get(slugOrId);
      if (id !== undefined || !isUnrestricted(principal)) return id;
      unknownTeams.add(slugOrId);
      return slugOrId;
    },
  };
}

function countsOf(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function holderOf(kind: Holder["kind"], row: UpstreamRow | ServerRow): Holder {
  return { kind, id: row.id, row, settings: row.settings };
}

/** Tools and prompts have names of their own; URIs, templates and aliases are of one space. */
export interface Names {
  readonly of: (kind: ItemKind, name: string) => Named | undefined;
  readonly take: (kind: ItemKind, name: string, named: Named) => void;
  readonly free: (kind: ItemKind, name: string) => void;
}

function createNames({ items, own }: Everything): Names {
  const spaces = new Map<string, Map<string, Named>>();
  const spaceOf = (kind: ItemKind) => {
    const name = isNamed(kind) ? kind : "uri";
    let space = spaces.get(name);
    if (space === undefined) spaces.set(name, space = new Map());
    return space;
  };
  for (const list of [...items.values(), own]) {
    for (const item of list) {
      const space = spaceOf(item.kind);
      const named = { id: item.id, item };
      space.set(item.exposedName, named);
      // One that is the gateway's own is the one that is meant.
      const isFree = !space.has(item.upstreamName) || item.own !== undefined;
      if (!isNamed(item.kind) && isFree) space.set(item.upstreamName, named);
    }
  }
  return {
    of: (kind, name) => spaceOf(kind).get(name),
    take: (kind, name, named) => void spaceOf(kind).set(name, named),
    free: (kind, name) => void spaceOf(kind).delete(name),
  };
}

/** Whether a record that is there is left as it is. @throws {FaultyRequest} `conflict` */
export function isLeft({ strategy }: Pick<Draft, "strategy">, path: string, what: string): boolean {
  if (strategy === "fail") throw taken(path, what);
  return strategy !== "update";
}

export function taken(path: string, what: string): FaultyRequest {
  return new FaultyRequest("conflict", `${what} is there already`, [
    { path, message: "is there already" },
  ]);
}

/** What only administrators of the whole gateway do. @throws {GatewayError} `forbidden` */
export function checkUnrestricted(principal: Principal, what: string): void {
  if (isUnrestricted(principal)) return;
  throw new GatewayError("forbidden", `Only administrators import ${what}`);
}

/** As they would be kept: members that are not there, and their order, make no difference. */
export function isAlike(a: unknown, b: unknown): boolean {
  return kept(a) === kept(b);
}

function kept(value: unknown): string {
  return canonicalText(JSON.parse(JSON.stringify(value)));
}
