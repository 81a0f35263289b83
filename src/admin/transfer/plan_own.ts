/**
 * The gateway's own tools, prompts and resources of a bundle, under the rules of making and changing
 * single ones.
 *
 * @module
 */
import { ownAudience } from "../../catalog/item_audience.ts";
import { checkManagedItem } from "../../catalog/editing.ts";
import { withSecrets } from "../../catalog/own_item_service.ts";
import { maySeeItem } from "../../domain/access.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import { keyOf, type OwnSpec, type OwnTool } from "../../domain/own_item.ts";
import { OWN_SERVER, type Visibility } from "../../domain/server.ts";
import type { ItemRow, OwnRow, OwnSettings } from "../../storage/catalog_tables.ts";
import { audienceFrom, type Members } from "../api/items.ts";
import { type Draft, isAlike, isLeft, type Outcome, taken } from "./draft.ts";
import { filled, type GivenAccess, withSecretsOf } from "./missing_secrets.ts";
import { nounOf } from "./nouns.ts";
import { enabledOf, toBeFilledIn } from "./plan_servers.ts";

/** What all of them have; the rest is for the noun. */
export interface OwnEntry extends GivenAccess {
  readonly name: string;
  readonly enabled?: boolean | undefined;
  readonly visibility?: Visibility | undefined;
  readonly teamId?: string | null | undefined;
  readonly owner?: string | null | undefined;
}
type OwnItem = ItemRow & { readonly own: OwnRow };

/** @param name what it is called in the report */
export function planOwn(draft: Draft, kind: ItemKind, entry: OwnEntry, name: string): Outcome {
  const key = keyIn(entry);
  const body = kind === "tool" ? withToolSecrets(draft, entry, key) : entry;
  const holder = draft.names.of(kind, key);
  if (holder === undefined) return newOwn(draft, kind, body, name);
  const isNameable = kind === "tool" || kind === "prompt";
  const { item } = holder;
  if (draft.strategy === "rename" && isNameable) {
    const newName = freeName(draft, kind, key);
    const outcome = newOwn(draft, kind, { ...body, name: newName }, newName);
    draft.newNames.set(key, newName);
    return { ...outcome, action: "renamed", newName };
  }
  const path = "uriTemplate" in entry ? "uriTemplate" : "uri" in entry ? "uri" : "name";
  if (isLeft(draft, path, `"${key}"`)) {
    return { action: "skipped", reason: "It is there already" };
  }
  const shown = item && { item, server: OWN_SERVER };
  const isMine = shown?.item.own !== undefined && item!.kind === kind &&
    maySeeItem(draft.principal, shown);
  if (!isMine) throw taken(path, `Another item of the name "${key}"`);
  checkManagedItem(draft.principal, shown);
  return changedOwn(draft, item as OwnItem, body, name);
}

/** A name, a URI or a template, as `keyOf` has it of what is made. */
function keyIn(entry: OwnEntry): string {
  const { name, uri, uriTemplate }: Members = { ...entry };
  return String(uri ?? uriTemplate ?? name);
}

function withToolSecrets({ secrets }: Draft, entry: OwnEntry, name: string): OwnEntry {
  const sealed = secrets?.tools ?? {};
  return withSecretsOf(entry, Object.hasOwn(sealed, name) ? sealed[name] : undefined);
}

function newOwn(draft: Draft, kind: ItemKind, entry: OwnEntry, name: string): Outcome {
  const { access, missing, isUnusable } = filled(entry, undefined);
  const { members, more, audience } = partsOf({ ...entry, ...access });
  const { enabled = true } = entry;
  const spec = withAddress(draft, marked(specOf(draft, kind, members, undefined), more), undefined);
  const settings: OwnSettings = {
    spec,
    enabled: enabled && !isUnusable,
    audience: ownAudience(undefined, audience, draft.principal, draft.teamIdOf),
  };
  checkRoom(draft, settings);
  const id = draft.newId();
  draft.names.take(kind, keyOf(spec), { id, item: undefined });
  draft.own.created.push({ id, settings });
  return { action: "created", ...toBeFilledIn(draft, kind, name, missing, isUnusable) };
}

function changedOwn(draft: Draft, item: OwnItem, entry: OwnEntry, name: string): Outcome {
  const { id, kind, revision, own } = item;
  const place = own.spec.kind === "tool" ? own.spec : undefined;
  const { headers: _, auth: _auth, ...rest } = entry;
  const found = filled(entry, place);
  const { members, more, audience } = partsOf({ ...rest, ...found.access });
  const noun = nounOf(draft.nouns, kind);
  const gone = noun.either.some((member) => members[member] != null) ? noun.either : [];
  const left = Object.entries(noun.membersOf(own.spec)).filter(([member]) =>
    !gone.includes(member)
  );
  const next = specOf(draft, kind, { ...Object.fromEntries(left), ...members }, own.spec);
  const settings: OwnSettings = {
    spec: withAddress(draft, marked(next, more), own.spec),
    enabled: own.enabled,
    ...enabledOf(entry, found),
    audience: ownAudience(item.audience, audience, draft.principal, draft.teamIdOf),
  };
  const filledIn = toBeFilledIn(draft, kind, name, found.missing, found.isUnusable);
  const before = { spec: own.spec, enabled: own.enabled, audience: item.audience };
  if (isAlike(settings, before)) return { action: "unchanged", ...filledIn };
  draft.own.updated.push({ id, revision, settings });
  return { action: "updated", ...filledIn };
}

/** What the noun takes, and what only a bundle has. */
function partsOf(entry: OwnEntry) {
  const { enabled: _, visibility, teamId, owner, ...rest } = entry;
  const { anyAddress, imported, ...members }: Members & Marks = rest;
  return {
    members,
    more: { anyAddress, imported },
    audience: audienceFrom({ visibility, teamId, owner }),
  };
}

type Marks = Pick<OwnTool, "anyAddress" | "imported">;

function specOf(
  { nouns }: Draft,
  kind: ItemKind,
  members: Members,
  known: OwnSpec | undefined,
): OwnSpec {
  const given = Object.entries(members).filter(([, value]) => value != null);
  return nounOf(nouns, kind).specOf(Object.fromEntries(given), known);
}

function marked(spec: OwnSpec, { anyAddress, imported }: Marks): OwnSpec {
  if (spec.kind !== "tool") return spec;
  return {
    ...spec,
    anyAddress: spec.anyAddress ?? anyAddress,
    imported: imported ?? spec.imported,
  };
}

/**
 * Every address is for whoever runs the gateway, at the command line, and of tools that were made
 * there. All others are under the egress policy.
 * @throws as `withSecrets`
 */
function withAddress(draft: Draft, spec: OwnSpec, known: OwnSpec | undefined): OwnSpec {
  if (spec.kind !== "tool") return spec;
  const before = known?.kind === "tool" && known.url === spec.url ? known.anyAddress : undefined;
  const isFree = draft.isOperator ? spec.anyAddress : before;
  const checkUrl = isFree ? () => {} : draft.checkUrl;
  return { ...withSecrets({ checkUrl }, spec, known), anyAddress: isFree } as OwnTool;
}

/** @throws {GatewayError} `conflict` */
function checkRoom({ all, own, once }: Draft, { spec }: OwnSettings): void {
  once.ownChars ??= all.own.reduce((sum, { own }) => sum + (own?.chars ?? 0), 0);
  const isRoom = all.own.length + own.created.length < LIMITS.ownItems &&
    once.ownChars < LIMITS.ownItemsChars;
  once.ownChars += JSON.stringify(spec).length;
  if (isRoom) return;
  throw new GatewayError("conflict", "There is no room for more tools, prompts and resources");
}

const NAME_CHARS_MAX = 64;
const NUMBERS_MAX = 10_000;

export function freeName({ names }: Draft, kind: ItemKind, name: string): string {
  for (let number = 2; number < NUMBERS_MAX; number++) {
    const end = `-${number}`;
    const other = name.slice(0, NAME_CHARS_MAX - end.length) + end;
    if (names.of(kind, other) === undefined) return other;
  }
  throw new GatewayError("conflict", `No name like "${name}" is free`);
}
