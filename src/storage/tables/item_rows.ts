/**
 * Items as rows.
 *
 * @module
 */
import type { Selectable } from "kysely";
import { createHash } from "node:crypto";
import { type Item, ITEM_KINDS } from "../../domain/item.ts";
import { type Audience, VISIBILITIES } from "../../domain/server.ts";
import type { ItemRow } from "../catalog_tables.ts";
import { keptText, textOf } from "../text.ts";
import type { ItemsTable } from "./schema.ts";
import { flag } from "./servers.ts";

/** What administrators change. */
export type ItemEdit = Partial<
  Pick<Item, "exposedName" | "title" | "description" | "enabled" | "audience">
>;

/** Names can be longer than what PostgreSQL takes into an index. */
export function exposedKey(exposedName: string): string {
  return createHash("sha256").update(keptText(exposedName)).digest("base64url");
}

/** Columns as they are kept, but for the revision. */
export function itemColumns(item: Item) {
  return {
    id: item.id,
    upstream_id: item.upstreamId,
    kind: item.kind,
    upstream_name: keptText(item.upstreamName),
    exposed_name: keptText(item.exposedName),
    exposed_key: exposedKey(item.exposedName),
    found_ms: item.foundMs,
    seq: item.seq,
    definition: keptText(item.definition),
    title: keptOptional(item.title),
    description: keptOptional(item.description),
    enabled: flag(item.enabled),
    missing_since_ms: item.missingSinceMs ?? null,
    ...audienceColumns(item.audience),
  };
}

/** Members that are there and undefined are cleared. */
export function changedColumns(change: ItemEdit) {
  return {
    ...(change.exposedName !== undefined && {
      exposed_name: keptText(change.exposedName),
      exposed_key: exposedKey(change.exposedName),
    }),
    ...("title" in change && { title: keptOptional(change.title) }),
    ...("description" in change && { description: keptOptional(change.description) }),
    ...(change.enabled !== undefined && { enabled: flag(change.enabled) }),
    ...("audience" in change && audienceColumns(change.audience)),
  };
}

/** @param upstreamId where it is known: there are very many items, and each would have a text of its own */
export function readItem(
  row: Selectable<ItemsTable>,
  upstreamId: string = row.upstream_id,
): ItemRow {
  const { upstream_name: name, exposed_name: exposed } = row;
  const upstreamName = textOf(name);
  return {
    id: row.id,
    kind: ITEM_KINDS.find((kind) => kind === row.kind)!,
    upstreamId,
    upstreamName,
    exposedName: exposed === name ? upstreamName : textOf(exposed),
    foundMs: row.found_ms,
    seq: row.seq,
    definition: textOf(row.definition),
    title: optionalOf(row.title),
    description: optionalOf(row.description),
    enabled: row.enabled === 1,
    missingSinceMs: row.missing_since_ms ?? undefined,
    audience: audienceOf(row),
    revision: row.revision,
  };
}

function audienceColumns(audience: Audience | undefined) {
  return {
    visibility: audience?.visibility ?? null,
    team_id: keptOptional(audience?.team),
    owner: keptOptional(audience?.owner),
  };
}

function audienceOf({ visibility, team_id, owner }: Selectable<ItemsTable>): Audience | undefined {
  if (visibility === null) return undefined;
  return {
    visibility: VISIBILITIES.find((one) => one === visibility)!,
    team: optionalOf(team_id),
    owner: optionalOf(owner),
  };
}

function keptOptional(text: string | undefined): string | null {
  return text === undefined ? null : keptText(text);
}

function optionalOf(kept: string | null): string | undefined {
  return kept === null ? undefined : textOf(kept);
}
