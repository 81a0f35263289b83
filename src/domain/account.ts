/**
 * Users, teams, and what ties them.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
export interface User {
  /** See `subjectKey`. */
  readonly key: string;
  readonly email: string;
  readonly fullName: string | undefined;
  readonly isAdmin: boolean;
  readonly enabled: boolean;
  /** What is left of a deleted user: the address stays taken, and lets nobody in. */
  readonly isDeleted: boolean;
}

export interface Team {
  /** Random, kept for ever. */
  readonly id: string;
  /** Unique among teams. */
  readonly slug: string;
  readonly name: string;
  readonly description: string | undefined;
  /** Ascending in the order of creation. */
  readonly seq: number;
}

export const TEAM_ROLES = ["owner", "member"] as const;
export type TeamRole = typeof TEAM_ROLES[number];

export interface Member {
  readonly teamId: string;
  /** See `subjectKey`. */
  readonly key: string;
  readonly email: string;
  readonly role: TeamRole;
  /** Wall clock. */
  readonly sinceMs: number;
}

/** What an API token lets its holder do, at most. */
export interface TokenGrants {
  /** Ids of teams; `undefined` is public items only, `stored` all teams that the owner is in. */
  readonly teams: readonly string[] | "stored" | undefined;
  /** `undefined` is no restriction. */
  readonly permissions: readonly string[] | undefined;
  /** Slug or id of the only server that it is good for. */
  readonly onlyServer: string | undefined;
}

export interface ApiToken extends TokenGrants {
  readonly id: string;
  readonly name: string;
  readonly ownerKey: string;
  readonly owner: string;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** JWTs that are not good any more: one by its `jti`, or all of a subject that are older than this. */
export interface Revocation {
  readonly id: string;
  readonly tokenId: string | undefined;
  readonly subject: string | undefined;
  readonly reason: string | undefined;
  readonly createdMs: number;
}

/**
 * By what a subject is found: e-mail addresses are the same whatever their capitals, all other
 * names of subjects are as their issuer writes them.
 */
export function subjectKey(subject: string): string {
  return subject.includes("@") ? subject.toLowerCase() : subject;
}
