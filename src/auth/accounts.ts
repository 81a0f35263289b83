/**
 * Users, teams, API tokens and revocations as a process has them: read whole at the start, then kept
 * up with the change log.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 4
 */
import { type Member, type Revocation, subjectKey, type TeamRole } from "../domain/account.ts";
import { inTurns, repeat } from "../platform/again.ts";
import type { Clock } from "../platform/clock.ts";
import type { Timers } from "../platform/timers.ts";
import type { AccountTables, ApiTokenRow, TeamRow, UserRow } from "../storage/account_tables.ts";

export interface Accounts {
  readonly user: (key: string) => UserRow | undefined;
  /** Deleted ones included. */
  readonly users: () => readonly UserRow[];
  readonly team: (slugOrId: string) => TeamRow | undefined;
  /** In the order of creation. */
  readonly teams: () => readonly TeamRow[];
  /** Whether there has ever been a team here. */
  readonly teamsHaveBeen: () => boolean;
  readonly membersOf: (teamId: string) => readonly Member[];
  /** By id of the team. */
  readonly rolesOf: (key: string) => ReadonlyMap<string, TeamRole>;
  readonly token: (id: string) => ApiTokenRow | undefined;
  readonly tokens: () => readonly ApiTokenRow[];
  readonly tokenByHash: (hash: string) => ApiTokenRow | undefined;
  readonly revocations: () => readonly Revocation[];
  /** Whether a JWT was revoked, by its own id or with all that its subject had at some time. */
  readonly isRevoked: (
    tokenId: string | undefined,
    key: string,
    issuedAtMs: number | undefined,
  ) => boolean;
  /** Another number after each change. */
  readonly version: () => number;
  /** For how long nothing is known of changes, in milliseconds; 0 where none can be missed. */
  readonly ageMs: () => number;
  /** Resolves when all that was written before is known here. */
  readonly refresh: () => Promise<void>;
  /** Told after each change. Gives the way to stop that. */
  readonly follow: (changed: () => void) => () => void;
  readonly close: () => void;
}

export interface AccountsDeps {
  readonly tables: AccountTables;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Calls back when it is worth to look sooner. Gives the way to stop that. */
  readonly follow: (changed: () => void) => () => void;
  readonly failed: (what: string, error: unknown) => void;
}

export interface AccountsOptions {
  /** How often other replicas' changes are looked for; `undefined` when there are none. */
  readonly pollMs: number | undefined;
}

const PRUNE_MS = 3_600_000;

export async function createAccounts(
  { tables, clock, timers, follow, failed }: AccountsDeps,
  { pollMs }: AccountsOptions,
): Promise<Accounts> {
  const people = createPeople();
  const followers = new Set<() => void>();
  let version = 0;
  let teamsHaveBeen = false;
  let revision = await tables.changes.revision();
  let readMs = clock.monotonic();
  const refresh = inTurns(catchUp);

  async function catchUp(): Promise<void> {
    let hasChanged = false;
    for (;;) {
      const startedMs = clock.monotonic();
      const { changes, isIncomplete, revision: reached } = await tables.changes.since(revision);
      if (isIncomplete) await loadAll();
      const own = changes.filter(({ kind }) => kind in READERS);
      for (const { kind, id } of own) await READERS[kind as keyof typeof READERS](id);
      hasChanged ||= isIncomplete || own.length > 0;
      const isOver = isIncomplete || changes.length === 0;
      revision = reached;
      readMs = startedMs;
      if (isOver) break;
    }
    if (!hasChanged) return;
    version++;
    for (const changed of followers) changed();
  }

  const READERS = {
    user: async (key: string) => people.putUser(key, await tables.users.find(key)),
    async team(id: string) {
      teamsHaveBeen = true;
      const team = await tables.teams.find(id);
      people.putTeam(id, team, team === undefined ? [] : await tables.members.listOf(id));
    },
    api_token: async (id: string) => people.putToken(id, await tables.tokens.find(id)),
    revocation: async (id: string) => people.putRevocation(id, await tables.revocations.find(id)),
  };

  async function loadAll(): Promise<void> {
    teamsHaveBeen ||= await tables.teams.haveBeen();
    const teams = await tables.teams.list();
    const members = await tables.members.list();
    const users = await tables.users.list();
    const tokens = await tables.tokens.list();
    const revocations = await tables.revocations.list();
    people.clear();
    const byTeam = Map.groupBy(members, ({ teamId }) => teamId);
    for (const team of teams) people.putTeam(team.id, team, byTeam.get(team.id) ?? []);
    for (const user of users) people.putUser(user.key, user);
    for (const token of tokens) people.putToken(token.id, token);
    for (const one of revocations) people.putRevocation(one.id, one);
  }

  await loadAll();
  const report = (error: unknown) => failed("Accounts could not be read again", error);
  const stops = [repeat(timers, PRUNE_MS, () => tables.tokens.prune(clock.now()).catch(report))];
  const look = () => refresh().catch(report);
  if (pollMs !== undefined) stops.push(repeat(timers, pollMs, look));
  stops.push(follow(look));
  return {
    ...people.read,
    teamsHaveBeen: () => teamsHaveBeen,
    version: () => version,
    ageMs: () => pollMs === undefined ? 0 : clock.monotonic() - readMs,
    refresh,
    follow(changed) {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
    close() {
      for (const stop of stops) stop();
    },
  };
}

/** The records in memory, found by whatever they are asked for by. */
function createPeople() {
  const users = new Map<string, UserRow>();
  const teams = new Map<string, TeamRow>();
  const teamIds = new Map<string, string>();
  const members = new Map<string, readonly Member[]>();
  const roles = new Map<string, Map<string, TeamRole>>();
  const tokens = new Map<string, ApiTokenRow>();
  const tokenIds = new Map<string, string>();
  const revocations = new Map<string, Revocation>();
  /** Made when it is asked for, from what there is then. */
  let revoked: ReturnType<typeof createRevoked> | undefined;

  function putTeam(id: string, team: TeamRow | undefined, next: readonly Member[]): void {
    for (const { key } of members.get(id) ?? []) {
      const of = roles.get(key)!;
      of.delete(id);
      if (of.size === 0) roles.delete(key);
    }
    const known = teams.get(id);
    if (known !== undefined) teamIds.delete(known.slug);
    members.delete(id);
    teams.delete(id);
    if (team === undefined) return;
    teams.set(id, team);
    teamIds.set(team.slug, id);
    members.set(id, next);
    for (const { key, role } of next) {
      const of = roles.get(key) ?? new Map<string, TeamRole>();
      roles.set(key, of.set(id, role));
    }
  }

  const team = (slugOrId: string) => teams.get(slugOrId) ?? teams.get(teamIds.get(slugOrId) ?? "");
  return {
    read: {
      user: (key: string) => users.get(key),
      users: () => [...users.values()],
      team,
      teams: () => [...teams.values()].sort((a, b) => a.seq - b.seq),
      membersOf: (teamId: string) => members.get(teamId) ?? [],
      rolesOf: (key: string): ReadonlyMap<string, TeamRole> => roles.get(key) ?? NO_ROLES,
      token: (id: string) => tokens.get(id),
      tokens: () => [...tokens.values()],
      tokenByHash: (hash: string) => tokens.get(tokenIds.get(hash) ?? ""),
      revocations: () => [...revocations.values()],
      isRevoked(tokenId: string | undefined, key: string, issuedAtMs: number | undefined) {
        revoked ??= createRevoked(revocations.values());
        return revoked(tokenId, key, issuedAtMs);
      },
    },
    putTeam,
    putUser(key: string, user: UserRow | undefined): void {
      if (user === undefined) users.delete(key);
      else users.set(key, user);
    },
    putToken(id: string, token: ApiTokenRow | undefined): void {
      const known = tokens.get(id);
      if (known !== undefined) tokenIds.delete(known.hash);
      tokens.delete(id);
      if (token === undefined) return;
      tokens.set(id, token);
      tokenIds.set(token.hash, id);
    },
    putRevocation(id: string, revocation: Revocation | undefined): void {
      if (revocation === undefined) revocations.delete(id);
      else revocations.set(id, revocation);
      revoked = undefined;
    },
    clear(): void {
      const all = [users, teams, teamIds, members, roles, tokens, tokenIds, revocations];
      for (const one of all) one.clear();
      revoked = undefined;
    },
  };
}

const NO_ROLES: ReadonlyMap<string, TeamRole> = new Map();

/** A subject's tokens are revoked up to the newest time at which they were. */
function createRevoked(revocations: Iterable<Revocation>) {
  const ids = new Set<string>();
  const untilMs = new Map<string, number>();
  for (const { tokenId, subject, createdMs } of revocations) {
    if (tokenId !== undefined) ids.add(tokenId);
    if (subject === undefined) continue;
    const key = subjectKey(subject);
    untilMs.set(key, Math.max(untilMs.get(key) ?? 0, createdMs));
  }
  return (tokenId: string | undefined, key: string, issuedAtMs: number | undefined): boolean => {
    if (tokenId !== undefined && ids.has(tokenId)) return true;
    const until = untilMs.get(key);
    // Of a token that does not say when it was made, the worst is taken.
    return until !== undefined && (issuedAtMs ?? 0) <= until;
  };
}
