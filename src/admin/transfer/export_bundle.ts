/**
 * A bundle of everything that is in the database.
 *
 * @module
 * @see contract.md, section 8, "Export and import"
 */
import { maskedAuth, maskedHeaders } from "../../catalog/secrets.ts";
import { formatDuration } from "../../domain/duration.ts";
import { exposedName } from "../../domain/exposed_name.ts";
import { isNamed } from "../../domain/item.ts";
import { type Audience, slugOf } from "../../domain/server.ts";
import type { ItemRow, ServerRow, UpstreamRow } from "../../storage/catalog_tables.ts";
import type { Pace } from "../../platform/pace.ts";
import type { Bundle, BundleList } from "../api/bundle.ts";
import { instantOf } from "../api/schemas.ts";
import type { Everything } from "./everything.ts";
import { nounOf, type Nouns } from "./nouns.ts";
import type { Access, Secrets } from "./sealing.ts";

export interface ExportOptions {
  /** `GATEWAY_TOOL_NAME_SEPARATOR` */
  readonly separator: string;
  readonly nowMs: number;
  readonly nouns: Nouns;
  readonly pace: Pace;
}

/** Without secrets; these for themselves. */
export interface Exported {
  readonly bundle: Bundle;
  readonly secrets: Secrets;
  /** Slugs and names of what has secrets that were sealed with another key than is given. */
  readonly unreadable: readonly string[];
}

export async function exportBundle(
  all: Everything,
  { separator, nowMs, nouns, pace }: ExportOptions,
): Promise<Exported> {
  const slugs = new Map(all.teams.map(({ id, slug }) => [id, slug]));
  const teamOf = (team: string | undefined) => team === undefined ? team : slugs.get(team) ?? team;
  const shown = (audience: Audience | undefined) =>
    audience && {
      visibility: audience.visibility,
      teamId: teamOf(audience.team),
      owner: audience.owner,
    };
  const serverSlugs = new Map(
    [...all.upstreams, ...all.servers].map(({ id, slug }) => [id, slug]),
  );
  const secrets = noSecrets();
  const made = {
    upstreams: all.upstreams.filter(({ declared }) => !declared),
    servers: all.servers.filter(({ declared }) => !declared),
  };
  const lists: Record<BundleList, () => Iterable<object>> = {
    teams: () => all.teams.map((team) => teamEntry(team, all)),
    users: () => all.users.map(userEntry),
    upstreams: () => made.upstreams.map((row) => upstreamEntry(row, shown, secrets)),
    tools: () => ownEntries(all.own, ["tool"], { nouns, shown, secrets }),
    prompts: () => ownEntries(all.own, ["prompt"], { nouns, shown, secrets }),
    resources: () => ownEntries(all.own, ["resource", "template"], { nouns, shown, secrets }),
    servers: () => made.servers.map((row) => serverEntry(row, shown)),
    items: () => itemEntries(all, separator, shown),
    tokens: () =>
      all.tokens.filter(({ expiresMs }) => expiresMs > nowMs)
        .sort((a, b) => a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1))
        .map((token) => {
          secrets.tokens[token.id] = token.hash;
          return tokenEntry(token, teamOf, (server) => serverSlugs.get(server) ?? server);
        }),
    revocations: () => revocationEntries(all),
  };
  const bundle: Record<string, unknown> = { sallyport: 1 };
  const declared = declaredIn(all);
  if (declared !== undefined) bundle.declared = declared;
  if (all.teamsHaveBeen) bundle.teamsHaveBeen = true;
  for (const [name, entries] of Object.entries(lists)) {
    const list: unknown[] = [];
    for (const entry of entries()) {
      // As it will be read: members that are not there are not.
      list.push(JSON.parse(JSON.stringify(entry)));
      await pace();
    }
    bundle[name] = list;
  }
  const unreadable = [
    ...made.upstreams.filter((row) => row.unreadable?.length).map(({ slug }) => slug),
    ...all.own.filter(({ own }) => own?.unreadable.length).map(({ exposedName }) => exposedName),
  ];
  return { bundle: bundle as unknown as Bundle, secrets, unreadable };
}

type Shown = (audience: Audience | undefined) => object | undefined;

interface Gathered {
  readonly upstreams: Record<string, Access>;
  readonly tools: Record<string, Access>;
  readonly tokens: Record<string, string>;
}

/** A tool may be called as anything. */
function noSecrets(): Gathered {
  return {
    upstreams: Object.create(null),
    tools: Object.create(null),
    tokens: Object.create(null),
  };
}

function declaredIn({ upstreams, servers }: Everything): Bundle["declared"] {
  const slugs = (rows: readonly (UpstreamRow | ServerRow)[]) =>
    rows.filter(({ declared }) => declared).map(({ slug }) => slug);
  const declared = { upstreams: slugs(upstreams), servers: slugs(servers) };
  return declared.upstreams.length + declared.servers.length === 0 ? undefined : declared;
}

function teamEntry({ id, slug, name, description }: Everything["teams"][number], all: Everything) {
  const members = (all.members.get(id) ?? []).map(({ email, role }) => ({ email, role }));
  return { name, slug, description, members };
}

function userEntry({ email, fullName, isAdmin, enabled, isDeleted }: Everything["users"][number]) {
  return isDeleted ? { email, deleted: true } : { email, fullName, isAdmin, enabled };
}

/** Which secrets of it cannot be read makes no difference: it has to be told them again. */
function upstreamEntry(row: UpstreamRow, shown: Shown, secrets: Gathered) {
  const { slug, name, unreadable = [] } = row;
  const settings = row.settings!;
  const { url, transport, title, timeoutMs, enabled, expose, tags, passthroughHeaders } = settings;
  note(secrets.upstreams, slug, settings);
  return {
    name,
    slug: slug === slugOf(name) ? undefined : slug,
    url,
    type: transport,
    title,
    ...maskedAccess(settings),
    ...shown(settings),
    passthroughHeaders,
    timeout: timeoutMs === undefined ? undefined : formatDuration(timeoutMs),
    enabled: enabled && unreadable.length === 0,
    expose,
    tags,
  };
}

function maskedAccess({ headers, auth }: Access) {
  return {
    headers: Object.keys(headers).length === 0 ? undefined : maskedHeaders(headers),
    auth: auth.type === "none" ? undefined : maskedAuth(auth),
  };
}

function note(secrets: Record<string, Access>, name: string, { headers, auth }: Access): void {
  if (Object.keys(headers).length === 0 && auth.type === "none") return;
  secrets[name] = { headers, auth };
}

function serverEntry({ slug, name, settings }: ServerRow, shown: Shown) {
  const { title, description, instructions, tools, prompts, resources } = settings!;
  const { naming, overrides, enabled } = settings!;
  return {
    name,
    slug,
    title,
    description,
    instructions,
    tools,
    prompts,
    resources,
    naming,
    ...shown(settings),
    overrides,
    enabled,
  };
}

function* ownEntries(
  rows: readonly ItemRow[],
  kinds: readonly string[],
  { nouns, shown, secrets }: { nouns: Nouns; shown: Shown; secrets: Gathered },
) {
  for (const { kind, own, audience } of rows) {
    if (own === undefined || !kinds.includes(kind)) continue;
    const { spec, enabled, unreadable } = own;
    const members = nounOf(nouns, kind).membersOf(spec);
    const common = { ...members, ...shown(audience), enabled: enabled && unreadable.length === 0 };
    if (spec.kind !== "tool") {
      yield common;
      continue;
    }
    note(secrets.tools, spec.name, spec);
    const { anyAddress, imported } = spec;
    yield { ...common, ...maskedAccess(spec), anyAddress, imported };
  }
}

/** Of what discovery found, only what people have changed. */
function* itemEntries({ upstreams, items }: Everything, separator: string, shown: Shown) {
  for (const { id, slug: upstream } of upstreams) {
    for (const item of items.get(id) ?? []) {
      const { kind, upstreamName, title, description, enabled, audience } = item;
      const isRenamed = isNamed(kind) &&
        item.exposedName !== exposedName(upstream, separator, upstreamName, () => false);
      const isAsFound = !isRenamed && title === undefined && description === undefined &&
        enabled && audience === undefined;
      if (isAsFound) continue;
      yield {
        upstream,
        kind,
        upstreamName,
        name: isRenamed ? item.exposedName : undefined,
        title,
        description,
        enabled: enabled ? undefined : false,
        ...shown(audience),
      };
    }
  }
}

function tokenEntry(
  token: Everything["tokens"][number],
  teamOf: (team: string) => string | undefined,
  slugOf: (server: string) => string,
) {
  const { id, name, owner, teams, permissions, onlyServer, createdMs, expiresMs } = token;
  return {
    id,
    name,
    owner,
    teams: teams === "stored" ? "*" : teams?.map(teamOf),
    scopes: { permissions, server_id: onlyServer === undefined ? undefined : slugOf(onlyServer) },
    createdAt: instantOf(createdMs),
    expiresAt: instantOf(expiresMs),
  };
}

function revocationEntries({ revocations }: Everything) {
  const entries = revocations.map(({ tokenId, subject, reason, createdMs }) => ({
    jti: tokenId,
    subject,
    reason,
    createdAt: instantOf(createdMs),
  }));
  const keyOf = ({ createdAt, jti, subject }: typeof entries[number]) =>
    JSON.stringify([createdAt, jti, subject]);
  return entries.sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
}
