/**
 * Accounts in a database of their own in memory, with all that manages and reads them.
 *
 * @module
 */
import { createAccounts } from "../../src/auth/accounts.ts";
import { createFindApiToken } from "../../src/auth/api_token.ts";
import { createRevocationService } from "../../src/auth/revocation_service.ts";
import { createRights, type RightsOptions } from "../../src/auth/rights.ts";
import { createTeamService } from "../../src/auth/team_service.ts";
import { createTokenService } from "../../src/auth/token_service.ts";
import { createUserService } from "../../src/auth/user_service.ts";
import type { TeamRole } from "../../src/domain/account.ts";
import { type Credential, NO_CREDENTIAL } from "../../src/domain/credential.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { AccountTables } from "../../src/storage/account_tables.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createAccountTables } from "../../src/storage/tables/accounts.ts";
import { fakeClock, fakeTimers } from "./fake_clock.ts";

export type AccountWorld = Awaited<ReturnType<typeof openAccounts>>;

export const ALICE = "alice@example.com";
export const ROOT = "root@example.com";

export async function openAccounts(options: Partial<RightsOptions> & { pollMs?: number } = {}) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const database = openDatabase({ kind: "sqlite", path: ":memory:" }, { timers });
  await migrate(database, { clock });
  const tables: AccountTables = createAccountTables(database, { clock });
  const failures: unknown[] = [];
  const accounts = await createAccounts({
    tables,
    clock,
    timers,
    failed: (_, error) => failures.push(error),
  }, { pollMs: options.pollMs });
  const rights = createRights({ accounts, clock, timers, pace: () => Promise.resolve() }, {
    requireUser: false,
    rightsMaxMs: 60_000,
    ...options,
  });
  const deps = { tables, accounts, clock };
  return {
    clock,
    timers,
    tables,
    accounts,
    rights,
    failures,
    users: createUserService(deps),
    teams: createTeamService(deps),
    tokens: createTokenService(deps),
    revocations: createRevocationService(deps),
    findApiToken: createFindApiToken(deps),
    /** A team with these members; gives its id. */
    async team(slug: string, members: Readonly<Record<string, TeamRole>>): Promise<string> {
      const { id } = await tables.teams.create({
        id: `team-${slug}`,
        slug,
        name: slug,
        description: undefined,
      });
      for (const [email, role] of Object.entries(members)) {
        await tables.members.put(id, email, role);
      }
      await accounts.refresh();
      return id;
    },
    async removeTeam(slug: string): Promise<void> {
      await tables.teams.remove(`team-${slug}`, 1);
      await accounts.refresh();
    },
    async user(email: string, more: { isAdmin?: boolean; enabled?: boolean } = {}) {
      const { isAdmin = false, enabled = true } = more;
      await tables.users.create({ email, fullName: undefined, isAdmin, enabled });
      await accounts.refresh();
    },
    /** What a credential of this kind may do now. */
    principal: (subject: string, more: Partial<Credential> = {}): Principal =>
      rights.principalOf(aCredential(subject, more)),
    async [Symbol.asyncDispose]() {
      rights.close();
      accounts.close();
      await database.close();
    },
  };
}

/** A JWT of the gateway's own issuer. */
export function aCredential(subject: string, more: Partial<Credential> = {}): Credential {
  return { ...NO_CREDENTIAL, kind: "gateway_jwt", subject, tokenId: `jti-${subject}`, ...more };
}
