/**
 * Revocations of JWTs, which their issuers cannot take back.
 *
 * @module
 * @see contract.md, section 8, "API tokens"
 */
import { notFound } from "../catalog/editing.ts";
import type { Revocation } from "../domain/account.ts";
import { randomText } from "../platform/random.ts";
import type { AccountTables } from "../storage/account_tables.ts";
import type { Accounts } from "./accounts.ts";

export interface RevocationService {
  readonly list: () => readonly Revocation[];
  /** @throws {GatewayError} `not_found` */
  readonly find: (id: string) => Revocation;
  /** One of the first two is given. A subject's are revoked up to now. */
  readonly create: (
    revocation: Pick<Revocation, "tokenId" | "subject" | "reason">,
  ) => Promise<Revocation>;
  /** What was revoked is good again. @throws {GatewayError} `not_found` */
  readonly remove: (id: string) => Promise<void>;
}

export interface RevocationServiceDeps {
  readonly tables: AccountTables;
  readonly accounts: Accounts;
}

/** 96 random bits. */
const ID_BYTES = 12;

export function createRevocationService(
  { tables, accounts }: RevocationServiceDeps,
): RevocationService {
  return {
    list: accounts.revocations,
    find(id) {
      const found = accounts.revocations().find((one) => one.id === id);
      if (found === undefined) throw notFound("revocation");
      return found;
    },
    async create(revocation) {
      const row = await tables.revocations.create({ id: randomText(ID_BYTES), ...revocation });
      await accounts.refresh();
      return row;
    },
    async remove(id) {
      if (!await tables.revocations.remove(id)) throw notFound("revocation");
      await accounts.refresh();
    },
  };
}
