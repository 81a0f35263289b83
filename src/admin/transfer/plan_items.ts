/**
 * What a bundle changes of things that upstream servers offer. Most of them are not discovered yet
 * where a bundle is imported: then they are kept for discovery, so that nothing is shown before it,
 * to nobody for whom it is not.
 *
 * @module
 */
import { changedAudience } from "../../catalog/item_audience.ts";
import { checkManagedItem, nameTaken, notFound } from "../../catalog/editing.ts";
import { maySeeItem } from "../../domain/access.ts";
import { FaultyRequest } from "../../domain/errors.ts";
import { aliasUri, exposedName } from "../../domain/exposed_name.ts";
import { isNamed, type Item, type ItemKind } from "../../domain/item.ts";
import type { Audience } from "../../domain/server.ts";
import type { ItemRow } from "../../storage/catalog_tables.ts";
import type { checkedEntry } from "../api/bundle.ts";
import { audienceFrom } from "../api/items.ts";
import { freeName } from "./plan_own.ts";
import { type Draft, type Holder, isAlike, isLeft, type Outcome } from "./draft.ts";

type Entry = ReturnType<typeof checkedEntry<"items">>;

export function planItem(draft: Draft, entry: Entry): Outcome {
  const { kind, upstreamName } = entry;
  const slug = draft.newUpstreams.get(entry.upstream) ?? entry.upstream;
  const upstream = upstreamFor(draft, slug);
  if (upstream === undefined) {
    return { action: "skipped", reason: `No upstream server "${slug}" is known here` };
  }
  if (!isNamed(kind) && entry.name !== undefined) {
    throw new FaultyRequest("invalid_request", "The item cannot be changed like this", [
      { path: "name", message: "cannot be changed so for this item" },
    ]);
  }
  const item = itemsOf(draft, upstream.id).get(`${kind} ${upstreamName}`);
  return item === undefined
    ? expectedItem(draft, entry, slug, upstream)
    : changedItem(draft, entry, item, upstream);
}

interface Upstream {
  readonly id: string;
  readonly audience: Audience;
}

const PUBLIC: Audience = { visibility: "public", team: undefined, owner: undefined };

/** One that the config file declares may have no row before its first start. */
function upstreamFor(draft: Draft, slug: string): Upstream | undefined {
  const { slugs, declarations, principal } = draft;
  const declaration = declarations.upstreams.find((one) => one.slug === slug);
  const holder = slugs.get(slug) ?? (declaration && declaredRow(draft, declaration));
  if (holder?.kind !== "upstream") return undefined;
  const shown = draft.shelves().find(({ server }) => server.id === holder.id)?.server;
  const audience = holder.settings ?? declaration ?? shown ?? PUBLIC;
  const isSeen = maySeeItem(principal, { server: audience, item: { audience: undefined } });
  return isSeen ? { id: holder.id, audience } : undefined;
}

function declaredRow(
  { slugs, newId, write }: Draft,
  { slug, name }: { readonly slug: string; readonly name: string },
): Holder {
  const id = newId();
  write(({ catalog }) =>
    catalog.upstreams.create({ id, slug, name, declared: true, settings: undefined })
  );
  const holder: Holder = { kind: "upstream", id, row: undefined, settings: undefined };
  slugs.set(slug, holder);
  return holder;
}

/** By kind and name; made once for each server that a bundle speaks of. */
function itemsOf({ all, known }: Draft, id: string): ReadonlyMap<string, ItemRow> {
  let items = known.get(id);
  if (items === undefined) {
    const rows = all.items.get(id) ?? [];
    items = new Map(rows.map((row) => [`${row.kind} ${row.upstreamName}`, row]));
    known.set(id, items);
  }
  return items;
}

function changedItem(draft: Draft, entry: Entry, item: ItemRow, upstream: Upstream): Outcome {
  const { names, principal } = draft;
  const { kind } = entry;
  const server = upstream.audience;
  if (!maySeeItem(principal, { server, item })) throw notFound("item");
  const isTouched = item.title !== undefined || item.description !== undefined || !item.enabled ||
    item.audience !== undefined;
  if (isTouched && isLeft(draft, "upstreamName", `A change of "${entry.upstreamName}"`)) {
    return { action: "skipped", reason: "It has been changed here" };
  }
  checkManagedItem(principal, { server, item });
  const { name = item.exposedName } = entry;
  const holder = names.of(kind, name);
  if (isNamed(kind) && holder !== undefined && holder.id !== item.id) throw nameTaken("name", name);
  const next = {
    exposedName: name,
    title: entry.title ?? item.title,
    description: entry.description ?? item.description,
    enabled: entry.enabled ?? item.enabled,
    audience: audienceFor(draft, entry, item.audience, server),
  };
  const before = Object.fromEntries(
    Object.keys(next).map((member) => [member, item[member as keyof typeof next]]),
  );
  if (isAlike(next, before)) return { action: "unchanged" };
  if (name !== item.exposedName) {
    names.free(kind, item.exposedName);
    names.take(kind, name, { id: item.id, item });
  }
  draft.write(({ catalog }) => catalog.items.update(item.id, item.revision, next));
  return { action: "updated" };
}

function expectedItem(
  draft: Draft,
  entry: Entry,
  slug: string,
  { id: upstreamId, audience: server }: Upstream,
): Outcome {
  const { kind, upstreamName, title, description, enabled = true } = entry;
  checkManagedItem(draft.principal, { server, item: { audience: undefined } });
  const id = draft.newId();
  const name = nameFor(draft, entry, slug);
  const items = draft.expected.get(upstreamId) ?? [];
  const seq = items.length + (draft.all.items.get(upstreamId)?.length ?? 0) + 1;
  const item: Item = {
    id,
    kind,
    upstreamId,
    upstreamName,
    exposedName: name,
    foundMs: draft.nowMs,
    seq,
    definition: definitionOf(kind, upstreamName),
    title,
    description,
    enabled,
    missingSinceMs: draft.nowMs,
    audience: audienceFor(draft, entry, undefined, server),
  };
  draft.names.take(kind, name, { id, item: undefined });
  items.push(item);
  draft.expected.set(upstreamId, items);
  return { action: "created" };
}

function nameFor(draft: Draft, entry: Entry, slug: string): string {
  const { names, separator, strategy } = draft;
  const { kind, upstreamName, name } = entry;
  const isTaken = (other: string) => names.of(kind, other) !== undefined;
  if (!isNamed(kind)) return aliasUri(upstreamName, slug, isTaken);
  if (name === undefined) return exposedName(slug, separator, upstreamName, isTaken);
  if (!isTaken(name)) return name;
  if (strategy === "rename") return freeName(draft, kind, name);
  throw nameTaken("name", name);
}

/** As little as its kind needs: nobody is shown it before it is discovered. */
function definitionOf(kind: ItemKind, upstreamName: string): string {
  if (kind === "resource") return JSON.stringify({ uri: upstreamName, name: upstreamName });
  if (kind !== "template") return JSON.stringify({ name: upstreamName });
  return JSON.stringify({ uriTemplate: upstreamName, name: upstreamName });
}

function audienceFor(
  { principal, teamIdOf }: Draft,
  entry: Entry,
  audience: Audience | undefined,
  server: Audience,
): Audience | undefined {
  const change = audienceFrom(entry);
  if (Object.keys(change).length === 0) return audience;
  return changedAudience({ item: { audience }, server }, change, principal, teamIdOf);
}
