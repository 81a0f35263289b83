/**
 * Who there is, and what each may do.
 *
 * @module
 */
import { createAccounts } from "../auth/accounts.ts";
import { createFindApiToken } from "../auth/api_token.ts";
import { createRevocationService } from "../auth/revocation_service.ts";
import { createRights } from "../auth/rights.ts";
import { createTeamService } from "../auth/team_service.ts";
import { createTokenService } from "../auth/token_service.ts";
import { createUserService } from "../auth/user_service.ts";
import type { Database } from "../storage/database.ts";
import { createAccountTables } from "../storage/tables/accounts.ts";
import type { Base } from "./base.ts";

const POLL_MS = 1_000;

export async function openAccounts({ config, platform, timers, pace }: Base, database: Database) {
  const { clock, log } = platform;
  const tables = createAccountTables(database, { clock });
  const accounts = await createAccounts({
    tables,
    clock,
    timers,
    follow: database.follow,
    failed: (what, error) => (database.isAway() ? log.debug : log.error)(what, { error }),
  }, { pollMs: database.kind === "postgres" ? POLL_MS : undefined });
  const rights = createRights({ accounts, clock, timers, pace }, config);
  const deps = { tables, accounts, clock };
  return {
    rights,
    teamIdOf: (slugOrId: string) => accounts.team(slugOrId)?.id,
    refreshAccounts: accounts.refresh,
    findApiToken: createFindApiToken(deps),
    users: createUserService(deps),
    teams: createTeamService(deps),
    tokens: createTokenService(deps),
    revocations: createRevocationService(deps),
    close() {
      rights.close();
      accounts.close();
    },
  };
}

export type AccountSide = Awaited<ReturnType<typeof openAccounts>>;
