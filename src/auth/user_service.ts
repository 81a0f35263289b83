/**
 * Users as people manage them.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
import { checkVersion, notFound, type Precondition, untilWritten } from "../catalog/editing.ts";
import { isUnrestricted } from "../domain/access.ts";
import { subjectKey } from "../domain/account.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { AccountTables, NewUser, UserChange, UserRow } from "../storage/account_tables.ts";
import type { Accounts } from "./accounts.ts";

export interface UserService {
  /** Those whom the principal may see: for all but administrators itself. */
  readonly list: (principal: Principal) => readonly UserRow[];
  /** @throws {GatewayError} `not_found`, for hidden and deleted ones too */
  readonly find: (email: string, principal: Principal) => UserRow;
  /** One who was deleted comes back. @throws {GatewayError} `conflict` when there is one */
  readonly create: (user: NewUser) => Promise<UserRow>;
  /** @throws {GatewayError} `not_found`, `precondition_failed`, `conflict` for one's own rights */
  readonly update: (
    email: string,
    change: Omit<UserChange, "isDeleted">,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<UserRow>;
  /** With memberships and API tokens. @throws as `update` */
  readonly remove: (
    email: string,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<void>;
}

export interface UserServiceDeps {
  readonly tables: AccountTables;
  readonly accounts: Accounts;
}

export function createUserService({ tables, accounts }: UserServiceDeps): UserService {
  function find(email: string, principal: Principal): UserRow {
    const key = subjectKey(email);
    const user = accounts.user(key);
    const isShown = isUnrestricted(principal) || key === subjectKey(principal.subject);
    if (user === undefined || user.isDeleted || !isShown) throw notFound("user");
    return user;
  }

  async function known(key: string): Promise<UserRow> {
    await accounts.refresh();
    const user = accounts.user(key);
    if (user === undefined) throw notFound("user");
    return user;
  }

  async function change(
    email: string,
    wanted: UserChange,
    isExpected: Precondition,
    principal: Principal,
  ): Promise<UserRow> {
    const { key } = find(email, principal);
    refuseOwnRights(principal, key, wanted);
    return await untilWritten(async () => {
      const row = await tables.users.find(key);
      if (row === undefined || row.isDeleted) throw notFound("user");
      checkVersion(isExpected, { id: key, revision: row.revision });
      await tables.users.update(key, row.revision, wanted);
      return await known(key);
    });
  }

  /** What only an account of a user that exists may have. */
  async function strip(key: string): Promise<void> {
    for (const { id, ownerKey } of await tables.tokens.list()) {
      if (ownerKey === key) await tables.tokens.remove(id);
    }
    for (const member of await tables.members.list()) {
      if (member.key === key) await tables.members.remove(member.teamId, key);
    }
  }

  return {
    list: (principal) =>
      accounts.users().filter(({ key, isDeleted }) =>
        !isDeleted && (isUnrestricted(principal) || key === subjectKey(principal.subject))
      ),
    find,
    async create(user) {
      const key = subjectKey(user.email);
      const row = await tables.users.find(key);
      if (row?.isDeleted) {
        const { fullName, isAdmin, enabled } = user;
        const back = { fullName, isAdmin, enabled, isDeleted: false };
        await tables.users.update(key, row.revision, back);
      } else await tables.users.create(user);
      return await known(key);
    },
    update: change,
    async remove(email, isExpected, principal) {
      const { key } = find(email, principal);
      await change(email, { isDeleted: true, isAdmin: false }, isExpected, principal);
      await strip(key);
      await accounts.refresh();
    },
  };
}

/** Whoever locks himself out cannot take it back, and there may be nobody else. */
export function refuseOwnRights(principal: Principal, key: string, change: UserChange): void {
  if (key !== subjectKey(principal.subject)) return;
  const takesRights = change.isAdmin === false || change.enabled === false || change.isDeleted;
  if (!takesRights) return;
  throw new GatewayError("conflict", "Nobody can take his own rights away: ask another to do it");
}
