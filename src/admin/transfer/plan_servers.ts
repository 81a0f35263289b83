/**
 * Upstream servers and virtual servers of a bundle, under the rules of making and changing single
 * ones.
 *
 * @module
 */
import type { Shelf } from "../../catalog/catalog.ts";
import { ownShelf } from "../../catalog/own_shelf.ts";
import { checkAudience, checkManaged, checkOwner, NOBODY, slugFor } from "../../catalog/editing.ts";
import { checkNames, type NewServer } from "../../catalog/server_service.ts";
import { blank, checked } from "../../catalog/upstream_settings.ts";
import { maySee } from "../../domain/access.ts";
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { isSlug } from "../../domain/server.ts";
import type { ItemRow, ServerRow, UpstreamRow } from "../../storage/catalog_tables.ts";
import { itemOf } from "../../storage/tables/own_items.ts";
import type { checkedEntry } from "../api/bundle.ts";
import { serverChangeFrom, serverFrom } from "../api/servers.ts";
import { upstreamChangeFrom, upstreamFrom } from "../api/upstreams.ts";
import { type Draft, type Holder, isAlike, isLeft, type Outcome, taken } from "./draft.ts";
import { filled, withSecretsOf } from "./missing_secrets.ts";

type Entry<L extends "upstreams" | "servers"> = ReturnType<typeof checkedEntry<L>>;

const DECLARED = { action: "skipped", reason: "The config file declares it here" } as const;

export function planUpstream(draft: Draft, entry: Entry<"upstreams">): Outcome {
  const { slug: given, ...rest } = entry;
  const slug = given ?? slugFor(rest.name);
  const sealed = draft.secrets?.upstreams ?? {};
  const body = withSecretsOf(rest, Object.hasOwn(sealed, slug) ? sealed[slug] : undefined);
  const there = placeFor(draft, "upstream", slug, "upstream server");
  if (there === undefined) return newUpstream(draft, body, slug, body.name);
  if ("action" in there) return there;
  if (there.isRenamed) {
    const outcome = newUpstream(draft, body, there.slug, another(body.name, there.number));
    draft.newSlugs.set(slug, there.slug);
    draft.newUpstreams.set(slug, there.slug);
    return { ...outcome, action: "renamed", newName: there.slug };
  }
  return changedUpstream(draft, body, there.row as UpstreamRow);
}

type UpstreamBody = Omit<Entry<"upstreams">, "slug">;

function newUpstream(draft: Draft, body: UpstreamBody, slug: string, name: string): Outcome {
  const { principal } = draft;
  const { access, missing, isUnusable } = filled(body, undefined);
  const wanted = upstreamFrom({ ...body, name }, principal);
  const upstream = {
    ...wanted,
    ...access,
    enabled: wanted.enabled && !isUnusable,
    team: knownTeam(draft, wanted.team),
  };
  const { name: _, ...settings } = checked(draft, upstream, blank(upstream), principal);
  checkRoom(draft, "upstream");
  const id = draft.newId();
  draft.slugs.set(slug, { kind: "upstream", id, row: undefined, settings });
  draft.write(({ catalog }) =>
    catalog.upstreams.create({ id, slug, name, declared: false, settings })
  );
  return { action: "created", ...toBeFilledIn(draft, "upstream", slug, missing, isUnusable) };
}

function changedUpstream(draft: Draft, body: UpstreamBody, row: UpstreamRow): Outcome {
  const { principal } = draft;
  const known = { name: row.name, ...row.settings! };
  const change = upstreamChangeFrom(body);
  const { access, missing, isUnusable } = filled(change, known);
  const { headers: _, auth: _auth, ...rest } = change;
  const { name, ...settings } = checked(
    draft,
    {
      ...rest,
      ...access,
      ..."team" in change ? { team: knownTeam(draft, change.team) } : {},
      ...enabledOf(change, { missing, isUnusable }),
    },
    known,
    principal,
  );
  const more = toBeFilledIn(draft, "upstream", row.slug, missing, isUnusable);
  if (isAlike({ name, settings }, { name: row.name, settings: row.settings })) {
    return { action: "unchanged", ...more };
  }
  draft.write(({ catalog }) => catalog.upstreams.update(row.id, row.revision, { name, settings }));
  return { action: "updated", ...more };
}

/** While secrets are missing, nothing is switched on. */
export function enabledOf(
  { enabled }: { readonly enabled?: boolean | undefined },
  { missing, isUnusable }: { readonly missing: readonly string[]; readonly isUnusable: boolean },
): { readonly enabled?: boolean } {
  if (isUnusable) return { enabled: false };
  return enabled === undefined || (enabled && missing.length > 0) ? {} : { enabled };
}

/** Says which secrets are missing. */
export function toBeFilledIn(
  { toFillIn }: Draft,
  kind: string,
  name: string,
  missing: readonly string[],
  isUnusable: boolean,
): { readonly reason?: string } {
  for (const what of missing) toFillIn.push({ kind, name, what });
  return isUnusable ? { reason: "It is switched off until its secrets are filled in" } : {};
}

export async function planServer(draft: Draft, entry: Entry<"servers">): Promise<Outcome> {
  const { slug: given, ...rest } = entry;
  const slug = given ?? slugFor(rest.name);
  const body = withNewNames(draft, rest);
  const there = placeFor(draft, "server", slug, "virtual server");
  if (there === undefined) return await newServer(draft, body, slug, body.name);
  if ("action" in there) return there;
  if (there.isRenamed) {
    const outcome = await newServer(draft, body, there.slug, another(body.name, there.number));
    draft.newSlugs.set(slug, there.slug);
    return { ...outcome, action: "renamed", newName: there.slug };
  }
  return await changedServer(draft, body, there.row as ServerRow);
}

type ServerBody = Omit<Entry<"servers">, "slug">;

async function newServer(
  draft: Draft,
  body: ServerBody,
  slug: string,
  name: string,
): Promise<Outcome> {
  const { principal } = draft;
  const wanted = serverFrom({ ...body, name }, principal);
  const { name: _, ...settings } = { ...wanted, team: knownTeam(draft, wanted.team) };
  checkAudience(principal, settings);
  checkOwner(principal, NOBODY, settings);
  checkRoom(draft, "server");
  await checkNames(await namesDeps(draft), { ...settings, name, slug }, principal);
  const id = draft.newId();
  draft.slugs.set(slug, { kind: "server", id, row: undefined, settings });
  draft.write(({ catalog }) =>
    catalog.servers.create({ id, slug, name, declared: false, settings })
  );
  return { action: "created" };
}

async function changedServer(draft: Draft, body: ServerBody, row: ServerRow): Promise<Outcome> {
  const { principal } = draft;
  const change = serverChangeFrom(body);
  const { name, ...settings }: NewServer = {
    name: row.name,
    ...row.settings!,
    ...change,
    ..."team" in change ? { team: knownTeam(draft, change.team) } : {},
  };
  checkAudience(principal, settings);
  checkOwner(principal, row.settings!, settings);
  if (isAlike({ name, settings }, { name: row.name, settings: row.settings })) {
    return { action: "unchanged" };
  }
  await checkNames(await namesDeps(draft), { ...settings, name, slug: row.slug }, principal);
  draft.write(({ catalog }) => catalog.servers.update(row.id, row.revision, { name, settings }));
  return { action: "updated" };
}

/** By id where the team is there: one that gets its name later is another. */
function knownTeam({ teams }: Draft, team: string | undefined): string | undefined {
  return team === undefined ? undefined : teams.get(team) ?? team;
}

type Place =
  | Outcome
  | { readonly isRenamed: true; readonly slug: string; readonly number: number }
  | { readonly isRenamed: false; readonly row: UpstreamRow | ServerRow };

/**
 * What is to be done where a record may be in the way; `undefined` when none is.
 * @throws {GatewayError} `conflict`, `forbidden`
 */
function placeFor(
  draft: Draft,
  kind: Holder["kind"],
  slug: string,
  noun: string,
): Place | undefined {
  const { slugs, strategy, principal } = draft;
  const holder = slugs.get(slug);
  const isDeclared = draft.declarations[`${kind}s`].some((one) => one.slug === slug);
  if (holder === undefined && !isDeclared) return undefined;
  if (strategy === "rename") {
    const number = freeNumber(draft, slug);
    return { isRenamed: true, slug: numbered(slug, number), number };
  }
  const what = `The ${noun} "${slug}"`;
  if (isLeft(draft, "slug", what)) return { action: "skipped", reason: "It is there already" };
  if (holder === undefined || holder.settings === undefined) return DECLARED;
  const { row } = holder;
  if (row === undefined || holder.kind !== kind || !maySee(principal, holder.settings)) {
    throw taken("slug", `Another server with the slug "${slug}"`);
  }
  checkManaged(principal, holder.settings);
  return { isRenamed: false, row };
}

const NUMBERS_MAX = 10_000;

function freeNumber({ slugs, declarations }: Draft, slug: string): number {
  const declared = [...declarations.upstreams, ...declarations.servers];
  for (let number = 2; number < NUMBERS_MAX; number++) {
    const other = numbered(slug, number);
    const isFree = !slugs.has(other) && !declared.some((one) => one.slug === other);
    if (isFree && isSlug(other)) return number;
  }
  throw new GatewayError("conflict", `No slug like "${slug}" is free`);
}

const NAME_CHARS_MAX = 128;
const SLUG_CHARS_MAX = 128;

function another(name: string, number: number): string {
  const end = ` ${number}`;
  return name.slice(0, NAME_CHARS_MAX - end.length) + end;
}

function numbered(slug: string, number: number): string {
  const end = `-${number}`;
  return slug.slice(0, SLUG_CHARS_MAX - end.length).replace(/-+$/, "") + end;
}

/** @throws {GatewayError} `conflict` */
function checkRoom({ slugs, all }: Draft, kind: Holder["kind"]): void {
  const known = kind === "upstream" ? all.upstreams.length : all.servers.length;
  // Most imports are far from it.
  if (known + slugs.size < LIMITS.apiServers) return;
  const count = [...slugs.values()].filter((holder) => holder.kind === kind).length;
  if (count < LIMITS.apiServers) return;
  const noun = kind === "upstream" ? "upstream servers" : "virtual servers";
  throw new GatewayError("conflict", `There is no room for more than ${LIMITS.apiServers} ${noun}`);
}

/** Names of what was renamed before it, in its lists. */
function withNewNames(draft: Draft, body: ServerBody): ServerBody {
  if (draft.newNames.size + draft.newUpstreams.size === 0) return body;
  const all = (patterns: readonly string[] | undefined) =>
    patterns && patterns.map((pattern) => newNameOf(draft, pattern));
  const { tools, prompts, overrides } = body;
  return {
    ...body,
    tools: all(tools),
    prompts: all(prompts),
    ...overrides == null ? {} : { overrides: withNewKeys(draft, overrides) },
  };
}

function withNewKeys(draft: Draft, overrides: NonNullable<ServerBody["overrides"]>) {
  const renamed = <T>(some: Readonly<Record<string, T>> | undefined) =>
    some &&
    Object.fromEntries(
      Object.entries(some).map(([name, one]) => [newNameOf(draft, name), one]),
    );
  const { tools, prompts } = overrides;
  return { ...overrides, tools: renamed(tools), prompts: renamed(prompts) };
}

function newNameOf(
  { newNames, newUpstreams, slugs, separator }: Draft,
  pattern: string,
): string {
  const name = newNames.get(pattern);
  if (name !== undefined) return name;
  // One slug may begin as another does: the longest is meant.
  for (let at = pattern.lastIndexOf(separator); at > 0;) {
    const slug = pattern.slice(0, at);
    if (slugs.has(slug)) return `${newUpstreams.get(slug) ?? slug}${pattern.slice(at)}`;
    at = pattern.lastIndexOf(separator, at - 1);
  }
  return pattern;
}

/** The shelves as they will be, as far as names go. All items come before the first server. */
async function namesDeps(draft: Draft) {
  const { pace, once } = draft;
  once.shelves ??= await plannedShelves(draft);
  const { shelves } = once;
  return { pace, catalog: { shelves: () => shelves } };
}

async function plannedShelves({ own, all, shelves, pace }: Draft): Promise<readonly Shelf[]> {
  const changed = new Map(own.updated.map((one) => [one.id, one.settings]));
  const rows: ItemRow[] = all.own.map((row) => {
    const settings = changed.get(row.id);
    return settings === undefined ? row : { ...row, enabled: settings.enabled };
  });
  for (const { id, settings } of own.created) {
    rows.push({ ...itemOf(id, settings, 0), revision: 0 });
    await pace();
  }
  return [ownShelf(rows), ...shelves().filter(({ server }) => server.transport !== "own")];
}
