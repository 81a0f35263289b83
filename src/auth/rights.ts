/**
 * What a credential may do now: its claims, and what the store says of its subject.
 *
 * Asked with every message, answered from memory. A change of rights acts with the next message, and
 * ends what goes on without messages: streams.
 *
 * @module
 * @see security.md, section 4.6; contract.md, sections 5 and 8
 */
import { subjectKey, type TeamRole } from "../domain/account.ts";
import { type Credential, NO_CREDENTIAL } from "../domain/credential.ts";
import { GatewayError } from "../domain/errors.ts";
import { ANONYMOUS, type Principal } from "../domain/principal.ts";
import type { Clock } from "../platform/clock.ts";
import type { Pace } from "../platform/pace.ts";
import type { Timers } from "../platform/timers.ts";
import type { Accounts } from "./accounts.ts";
import { invalidToken } from "./invalid_token.ts";

export interface Rights {
  /**
   * The same object for as long as nothing about it changes.
   * @throws {GatewayError} `unauthenticated` for what is not good any more; `forbidden` when it names
   *   a team that its subject is not in; `unavailable` when nothing certain is known
   */
  readonly principalOf: (credential: Credential) => Principal;
  /**
   * Calls back once, when the principal is not what it was any more, or its credential has expired.
   * @returns the way to stop that
   */
  readonly watch: (principal: Principal, changed: () => void) => () => void;
  readonly close: () => void;
}

export interface RightsDeps {
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly pace: Pace;
}

export interface RightsOptions {
  /** `REQUIRE_USER_IN_DB` */
  readonly requireUser: boolean;
  /** `RIGHTS_CACHE_MAX` */
  readonly rightsMaxMs: number;
}

/** A principal, or why there is none. */
type Verdict = { readonly principal: Principal } | { readonly error: GatewayError };

interface Known {
  readonly version: number;
  readonly verdict: Verdict;
}

interface Watcher {
  readonly credential: Credential;
  readonly principal: Principal;
  readonly changed: () => void;
}

/** @see contract.md, section 5 */
const NOT_A_MEMBER = "Token invalid: User is no longer a member of the associated team";

export function createRights(deps: RightsDeps, options: RightsOptions): Rights {
  const { accounts, clock, timers } = deps;
  const known = new WeakMap<Credential, Known>();
  const credentials = new WeakMap<Principal, Credential>();
  const watchers = new Set<Watcher>();
  const unfollow = accounts.follow(() => void lookAtAll());

  /** Of very many streams few are concerned, and messages of the others do not wait for that. */
  async function lookAtAll(): Promise<void> {
    for (const watcher of [...watchers]) {
      await deps.pace();
      if (watchers.has(watcher) && !isUnchanged(watcher)) watcher.changed();
    }
  }

  function principalOf(credential: Credential): Principal {
    if (credential === NO_CREDENTIAL) return ANONYMOUS;
    if (accounts.ageMs() > options.rightsMaxMs) throw unknownRights();
    const version = accounts.version();
    let found = known.get(credential);
    if (found?.version !== version) {
      found = { version, verdict: judged(credential, found?.verdict) };
      known.set(credential, found);
    }
    const { verdict } = found;
    if ("error" in verdict) throw verdict.error;
    return verdict.principal;
  }

  function judged(credential: Credential, before: Verdict | undefined): Verdict {
    try {
      const principal = settled(accounts, credential, options.requireUser);
      if (before !== undefined && "principal" in before && isSame(before.principal, principal)) {
        return before;
      }
      credentials.set(principal, credential);
      return { principal };
    } catch (error) {
      if (error instanceof GatewayError) return { error };
      throw error;
    }
  }

  function isUnchanged({ credential, principal }: Watcher): boolean {
    try {
      return principalOf(credential) === principal;
    } catch {
      return false;
    }
  }

  return {
    principalOf,
    watch(principal, changed) {
      const credential = credentials.get(principal);
      if (credential === undefined) return () => {};
      const stop = () => {
        watchers.delete(watcher);
        timer?.cancel();
      };
      const watcher: Watcher = {
        credential,
        principal,
        changed() {
          stop();
          changed();
        },
      };
      const leftMs = principal.expiresAtMs - clock.now();
      const timer = leftMs < Infinity
        ? timers.after(Math.max(leftMs, 0), watcher.changed)
        : undefined;
      watchers.add(watcher);
      // It may have changed since it was looked up.
      if (!isUnchanged(watcher)) queueMicrotask(watcher.changed);
      return stop;
    },
    close: unfollow,
  };
}

/** @throws {GatewayError} `unauthenticated`, `forbidden` */
function settled(accounts: Accounts, credential: Credential, requireUser: boolean): Principal {
  const { kind, subject, claimsAdmin, permissions, onlyServer, tokenId } = credential;
  const key = subjectKey(subject);
  const user = accounts.user(key);
  if (user === undefined && requireUser) throw invalidToken("Unknown user");
  if (user !== undefined && (user.isDeleted || !user.enabled)) throw invalidToken("Disabled user");
  if (isWithdrawn(accounts, credential, key)) throw invalidToken("Revoked");
  const isAdmin = user === undefined ? claimsAdmin : user.isAdmin;
  const scope = scopeOf(accounts, credential, key, isAdmin);
  return {
    kind,
    subject,
    isAdmin,
    ...scope,
    permissions,
    onlyServer,
    tokenId,
    expiresAtMs: credential.expiresAtMs,
  };
}

function isWithdrawn(accounts: Accounts, credential: Credential, key: string): boolean {
  const { kind, tokenId, issuedAtMs } = credential;
  if (kind === "api_token") return accounts.token(tokenId ?? "") === undefined;
  if (kind === "proxy") return false;
  return accounts.isRevoked(tokenId, key, issuedAtMs);
}

/**
 * The teams that it acts for.
 * @throws {GatewayError} `forbidden`
 */
function scopeOf(
  accounts: Accounts,
  { teams: named }: Credential,
  key: string,
  isAdmin: boolean,
): Pick<Principal, "teams" | "ownedTeams" | "seesOwn"> {
  const roles = accounts.rolesOf(key);
  if (named === undefined && isAdmin) return { teams: undefined, ownedTeams: [], seesOwn: true };
  if (named === undefined) return { teams: [], ownedTeams: [], seesOwn: false };
  if (named === "stored") {
    const teams = isAdmin ? undefined : namesOf(accounts, [...roles.keys()]);
    return { teams, ownedTeams: ownedAmong(accounts, [...roles.keys()], roles), seesOwn: true };
  }
  // Where nobody has ever managed teams, who makes the tokens says who is in which (0030).
  if (!accounts.teamsHaveBeen()) {
    return { teams: named, ownedTeams: [], seesOwn: named.length > 0 };
  }
  const ids = named.map((name) => {
    const id = accounts.team(name)?.id;
    // An administrator may narrow itself to any team.
    if (id === undefined || !(isAdmin || roles.has(id))) {
      throw new GatewayError("forbidden", NOT_A_MEMBER);
    }
    return id;
  });
  return {
    teams: namesOf(accounts, ids),
    ownedTeams: ownedAmong(accounts, ids, roles),
    seesOwn: ids.length > 0,
  };
}

/** By which records may name them. */
function namesOf(accounts: Accounts, ids: readonly string[]): readonly string[] {
  return ids.flatMap((id) => [id, accounts.team(id)?.slug ?? id]);
}

function ownedAmong(
  accounts: Accounts,
  ids: readonly string[],
  roles: ReadonlyMap<string, TeamRole>,
): readonly string[] {
  return namesOf(accounts, ids.filter((id) => roles.get(id) === "owner"));
}

function isSame(a: Principal, b: Principal): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function unknownRights(): GatewayError {
  const text = "Who may do what cannot be checked at the moment: the database cannot be reached";
  return new GatewayError("unavailable", text);
}
