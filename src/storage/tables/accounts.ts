/**
 * What is kept of accounts, in the database.
 *
 * @module
 */
import type { Clock } from "../../platform/clock.ts";
import type { AccountTables } from "../account_tables.ts";
import type { Database } from "../database.ts";
import { createApiTokens } from "./api_tokens.ts";
import { createChanges } from "./changes.ts";
import { createRevocations } from "./revocations.ts";
import { createMembers, createTeams } from "./teams.ts";
import { createUsers } from "./users.ts";

/** @param database of this version, see `migrate` */
export function createAccountTables(
  database: Database,
  { clock }: { readonly clock: Clock },
): AccountTables {
  return {
    users: createUsers(database, clock),
    teams: createTeams(database, clock),
    members: createMembers(database, clock),
    tokens: createApiTokens(database),
    revocations: createRevocations(database, clock),
    changes: createChanges(database),
  };
}
