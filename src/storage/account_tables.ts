/**
 * What is kept of accounts: users, teams and their members, API tokens, revocations. Every change is
 * in the log of changes that replicas follow.
 *
 * Contract; `createAccountTables` in `tables/accounts.ts` implements it on both databases, and both
 * pass `tests/contract/account_tables.ts`.
 *
 * @module
 * @see contract.md, section 6
 */
import type { ApiToken, Member, Revocation, Team, TeamRole, User } from "../domain/account.ts";
import type { CatalogTables } from "./catalog_tables.ts";

interface Versioned {
  /** Counts the changes of this row: 1, 2, 3 … */
  readonly revision: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export type UserRow = User & Versioned;
export type TeamRow = Team & Versioned;
/** A token as it is found: by its hash, never by itself. */
export type ApiTokenRow = ApiToken & { readonly hash: string };

export type NewUser = Pick<User, "email" | "fullName" | "isAdmin" | "enabled">;
export type UserChange = Partial<Pick<User, "fullName" | "isAdmin" | "enabled" | "isDeleted">>;

export interface AccountTables {
  readonly users: {
    readonly list: () => Promise<readonly UserRow[]>;
    readonly find: (key: string) => Promise<UserRow | undefined>;
    /** @throws {GatewayError} `conflict` when the address is taken, or was */
    readonly create: (user: NewUser) => Promise<UserRow>;
    /**
     * @param revision the one that was read
     * @throws {GatewayError} `conflict` when another was written meanwhile, `not_found`
     */
    readonly update: (key: string, revision: number, change: UserChange) => Promise<UserRow>;
  };
  readonly teams: {
    readonly list: () => Promise<readonly TeamRow[]>;
    readonly find: (id: string) => Promise<TeamRow | undefined>;
    /** Whether there has ever been one. */
    readonly haveBeen: () => Promise<boolean>;
    /** From now on there has been one, even if there is none now. */
    readonly begin: () => Promise<void>;
    /** @throws {GatewayError} `conflict` when the slug is taken */
    readonly create: (team: Omit<Team, "seq">) => Promise<TeamRow>;
    /** @throws as `users.update` */
    readonly update: (
      id: string,
      revision: number,
      change: Partial<Pick<Team, "name" | "description">>,
    ) => Promise<TeamRow>;
    /** With its memberships. False when it was not there, or not in this version. */
    readonly remove: (id: string, revision: number) => Promise<boolean>;
  };
  readonly members: {
    readonly list: () => Promise<readonly Member[]>;
    readonly listOf: (teamId: string) => Promise<readonly Member[]>;
    /** Adds one, or gives it another role. @throws {GatewayError} `not_found` without the team */
    readonly put: (teamId: string, email: string, role: TeamRole) => Promise<void>;
    /** False when it was none. */
    readonly remove: (teamId: string, key: string) => Promise<boolean>;
  };
  readonly tokens: {
    readonly list: () => Promise<readonly ApiTokenRow[]>;
    readonly find: (id: string) => Promise<ApiTokenRow | undefined>;
    readonly create: (token: ApiTokenRow) => Promise<void>;
    /** False when it was not there. */
    readonly remove: (id: string) => Promise<boolean>;
    /** Forgets those that expired before this time. */
    readonly prune: (beforeMs: number) => Promise<void>;
  };
  readonly revocations: {
    readonly list: () => Promise<readonly Revocation[]>;
    readonly find: (id: string) => Promise<Revocation | undefined>;
    /** @param revocation `createdMs` is now unless given */
    readonly create: (
      revocation: Omit<Revocation, "createdMs"> & Partial<Pick<Revocation, "createdMs">>,
    ) => Promise<Revocation>;
    /** False when it was not there. */
    readonly remove: (id: string) => Promise<boolean>;
  };
  readonly changes: Pick<CatalogTables["changes"], "revision" | "since">;
}
