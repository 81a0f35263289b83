/**
 * API tokens as their owners manage them.
 *
 * @module
 * @see contract.md, section 8, "API tokens"
 */
import { notFound } from "../catalog/editing.ts";
import { isUnrestricted, missingFor } from "../domain/access.ts";
import { type ApiToken, subjectKey, type TokenGrants } from "../domain/account.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { InsufficientScope } from "../mcp/dispatch.ts";
import type { Clock } from "../platform/clock.ts";
import { randomText } from "../platform/random.ts";
import type { AccountTables } from "../storage/account_tables.ts";
import type { Accounts } from "./accounts.ts";
import { hashOfToken, newApiToken } from "./api_token.ts";

export interface TokenService {
  /** The principal's own; for administrators all. */
  readonly list: (principal: Principal) => readonly ApiToken[];
  /** @throws {GatewayError} `not_found`, for others' too */
  readonly find: (id: string, principal: Principal) => ApiToken;
  /**
   * The token itself is given here and never again.
   * @throws {GatewayError} `forbidden` for a team that the owner is not in, or more than the caller has
   * @throws {InsufficientScope} for a permission that the caller's credential lacks
   */
  readonly create: (
    token: NewToken,
    principal: Principal,
  ) => Promise<{ readonly token: string; readonly record: ApiToken }>;
  /** @throws as `find` */
  readonly remove: (id: string, principal: Principal) => Promise<void>;
}

export interface NewToken extends TokenGrants {
  readonly name: string;
  readonly expiresInMs: number;
}

export interface TokenServiceDeps {
  readonly tables: AccountTables;
  readonly accounts: Accounts;
  readonly clock: Clock;
}

/** 96 random bits. */
const ID_BYTES = 12;
/** How many one owner may have. */
export const TOKENS_MAX = 200;

export function createTokenService(
  { tables, accounts, clock }: TokenServiceDeps,
): TokenService {
  const isMine = ({ ownerKey }: ApiToken, { subject }: Principal) =>
    ownerKey === subjectKey(subject);

  function find(id: string, principal: Principal): ApiToken {
    const token = accounts.token(id);
    if (token === undefined || !(isUnrestricted(principal) || isMine(token, principal))) {
      throw notFound("API token");
    }
    return token;
  }

  /** Ids for names; `stored` stays. */
  function teamsFor(wanted: TokenGrants["teams"], principal: Principal): TokenGrants["teams"] {
    if (wanted === undefined || wanted === "stored") return wanted;
    const roles = accounts.rolesOf(subjectKey(principal.subject));
    return wanted.map((name) => {
      const id = accounts.team(name)?.id;
      const isIn = id !== undefined && (principal.isAdmin || roles.has(id));
      if (!isIn) throw new GatewayError("forbidden", `You are not a member of the team "${name}"`);
      return id;
    });
  }

  return {
    list: (principal) =>
      accounts.tokens().filter((token) => isUnrestricted(principal) || isMine(token, principal)),
    find,
    async create({ name, expiresInMs, ...wanted }, principal) {
      const grants = { ...wanted, teams: teamsFor(wanted.teams, principal) };
      refuseMore(grants, principal);
      const own = accounts.tokens().filter((token) => isMine(token, principal));
      if (own.length >= TOKENS_MAX) {
        throw new GatewayError("conflict", `You have ${TOKENS_MAX} API tokens: revoke one first`);
      }
      const token = newApiToken();
      const nowMs = clock.now();
      const record: ApiToken = {
        id: randomText(ID_BYTES),
        name,
        ownerKey: subjectKey(principal.subject),
        owner: principal.subject,
        ...grants,
        createdMs: nowMs,
        expiresMs: nowMs + expiresInMs,
      };
      await tables.tokens.create({ ...record, hash: hashOfToken(token) });
      await accounts.refresh();
      return { token, record };
    },
    async remove(id, principal) {
      find(id, principal);
      if (!await tables.tokens.remove(id)) throw notFound("API token");
      await accounts.refresh();
    },
  };
}

/**
 * Nobody gives more than he has.
 * @throws {InsufficientScope}
 * @throws {GatewayError} `forbidden`
 */
function refuseMore({ permissions, onlyServer }: TokenGrants, principal: Principal): void {
  const missing = missingFor(principal, permissions);
  if (missing !== undefined) throw new InsufficientScope(missing);
  if (principal.onlyServer !== undefined && onlyServer !== principal.onlyServer) {
    const text = `Your credential is good for the server "${principal.onlyServer}" only: ` +
      "so must be the token";
    throw new GatewayError("forbidden", text);
  }
}
