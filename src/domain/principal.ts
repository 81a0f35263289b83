/**
 * The caller after authentication, with what it may do at this moment. Everything behind the edge
 * takes a `Principal` as an argument; nobody reads identity from surroundings.
 *
 * @module
 */
import type { CredentialKind } from "./credential.ts";

export type { CredentialKind } from "./credential.ts";

export interface Principal {
  readonly kind: CredentialKind;
  /** See `Credential`. */
  readonly subject: string;
  readonly isAdmin: boolean;
  /**
   * Ids and slugs of the teams that it acts for. `undefined` is no restriction, for an
   * administrator; for everybody else it is none.
   */
  readonly teams: readonly string[] | undefined;
  /** Ids and slugs of those among them that it manages. */
  readonly ownedTeams: readonly string[];
  /** Whether private records that belong to it are there for it. */
  readonly seesOwn: boolean;
  /** `undefined` is no restriction; an empty list permits nothing. */
  readonly permissions: readonly string[] | undefined;
  /** Slug or id of the only server that this credential may use. */
  readonly onlyServer: string | undefined;
  /** See `Credential`. */
  readonly tokenId: string | undefined;
  /** Milliseconds since the epoch; `Infinity` when the credential does not expire. */
  readonly expiresAtMs: number;
}

/** To whom belongs what it makes: to nobody what is made at the command line. */
export function subjectOf({ subject }: Pick<Principal, "subject">): string | undefined {
  return subject === "" ? undefined : subject;
}

/** What tells principals apart: everything that is kept for one is kept under this. */
export function callerOf({ kind, subject }: Pick<Principal, "kind" | "subject">): string {
  return `${kind} ${subject}`;
}

/** A principal as JSON can say it: `null` is an expiry that never comes. */
export type ToldPrincipal = Omit<Principal, "expiresAtMs"> & {
  readonly expiresAtMs: number | null;
};

export function toldPrincipal(principal: Principal): ToldPrincipal {
  const { expiresAtMs } = principal;
  return { ...principal, expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs };
}

export function principalFrom(told: ToldPrincipal): Principal {
  return { ...NOTHING, ...told, expiresAtMs: told.expiresAtMs ?? Infinity };
}

/** What JSON leaves out. */
const NOTHING = {
  teams: undefined,
  permissions: undefined,
  onlyServer: undefined,
  tokenId: undefined,
};

/** Whoever runs the gateway, at its command line. */
export const OPERATOR: Principal = Object.freeze({
  kind: "gateway_jwt",
  subject: "",
  isAdmin: true,
  teams: undefined,
  ownedTeams: [],
  seesOwn: true,
  permissions: undefined,
  onlyServer: undefined,
  tokenId: undefined,
  expiresAtMs: Infinity,
});

export const ANONYMOUS: Principal = Object.freeze({
  kind: "anonymous",
  subject: "",
  isAdmin: false,
  teams: [],
  ownedTeams: [],
  seesOwn: false,
  permissions: undefined,
  onlyServer: undefined,
  tokenId: undefined,
  expiresAtMs: Infinity,
});
