/**
 * Teams and their members as people manage them: administrators all, owners of a team their own.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
import {
  checkVersion,
  notFound,
  type Precondition,
  slugFor,
  untilWritten,
} from "../catalog/editing.ts";
import { isUnrestricted } from "../domain/access.ts";
import { type Member, subjectKey, type Team, type TeamRole } from "../domain/account.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { randomText } from "../platform/random.ts";
import type { AccountTables, TeamRow } from "../storage/account_tables.ts";
import type { Accounts } from "./accounts.ts";

export interface TeamService {
  /** Those that the principal is in; for administrators all. */
  readonly list: (principal: Principal) => readonly TeamRow[];
  /** @throws {GatewayError} `not_found`, for hidden ones too */
  readonly find: (slugOrId: string, principal: Principal) => TeamRow;
  /** @throws as `find` */
  readonly membersOf: (slugOrId: string, principal: Principal) => readonly Member[];
  /** The caller becomes its first owner. @throws {GatewayError} `conflict` when the slug is taken */
  readonly create: (team: NewTeam, principal: Principal) => Promise<TeamRow>;
  /** @throws {GatewayError} `not_found`, `forbidden`, `precondition_failed` */
  readonly update: (
    slugOrId: string,
    change: Partial<Pick<Team, "name" | "description">>,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<TeamRow>;
  /** What only the team could see, only administrators see from then on. @throws as `update` */
  readonly remove: (
    slugOrId: string,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<void>;
  /** Adds a member, or gives it another role. @throws {GatewayError} `not_found`, `forbidden` */
  readonly putMember: (
    slugOrId: string,
    email: string,
    role: TeamRole,
    principal: Principal,
  ) => Promise<Member>;
  /** Members may leave by themselves. @throws as `putMember` */
  readonly removeMember: (slugOrId: string, email: string, principal: Principal) => Promise<void>;
}

export type NewTeam = Pick<Team, "name" | "description"> & { readonly slug: string | undefined };

export interface TeamServiceDeps {
  readonly tables: AccountTables;
  readonly accounts: Accounts;
}

/** 96 random bits. */
const ID_BYTES = 12;

export function createTeamService({ tables, accounts }: TeamServiceDeps): TeamService {
  function isIn(team: Team, principal: Principal): boolean {
    return isUnrestricted(principal) || (principal.teams?.includes(team.id) ?? false);
  }

  function find(slugOrId: string, principal: Principal): TeamRow {
    const team = accounts.team(slugOrId);
    if (team === undefined || !isIn(team, principal)) throw notFound("team");
    return team;
  }

  function managed(slugOrId: string, principal: Principal): TeamRow {
    const team = find(slugOrId, principal);
    if (isUnrestricted(principal) || principal.ownedTeams.includes(team.id)) return team;
    throw new GatewayError("forbidden", "Only owners of the team and administrators may do that");
  }

  async function known(id: string): Promise<TeamRow> {
    await accounts.refresh();
    const team = accounts.team(id);
    if (team === undefined) throw notFound("team");
    return team;
  }

  /** @returns what `write` gives, on the version that the caller has seen */
  async function onVersion<T>(
    id: string,
    isExpected: Precondition,
    write: (row: TeamRow) => Promise<T>,
  ): Promise<T> {
    return await untilWritten(async () => {
      const row = await tables.teams.find(id);
      if (row === undefined) throw notFound("team");
      checkVersion(isExpected, row);
      return await write(row);
    });
  }

  return {
    list: (principal) => accounts.teams().filter((team) => isIn(team, principal)),
    find,
    membersOf: (slugOrId, principal) => accounts.membersOf(find(slugOrId, principal).id),
    async create({ name, description, slug = slugFor(name) }, { subject }) {
      const { id } = await tables.teams.create({
        id: randomText(ID_BYTES),
        slug,
        name,
        description,
      });
      await tables.members.put(id, subject, "owner");
      return await known(id);
    },
    async update(slugOrId, change, isExpected, principal) {
      const { id } = managed(slugOrId, principal);
      await onVersion(id, isExpected, ({ revision }) => tables.teams.update(id, revision, change));
      return await known(id);
    },
    async remove(slugOrId, isExpected, principal) {
      const { id } = find(slugOrId, principal);
      if (!isUnrestricted(principal)) {
        throw new GatewayError("forbidden", "Only administrators may remove a team");
      }
      await onVersion(id, isExpected, async ({ revision }) => {
        if (!await tables.teams.remove(id, revision)) throw notFound("team");
      });
      await accounts.refresh();
    },
    async putMember(slugOrId, email, role, principal) {
      const { id } = managed(slugOrId, principal);
      await tables.members.put(id, email, role);
      await accounts.refresh();
      const key = subjectKey(email);
      const member = accounts.membersOf(id).find((one) => one.key === key);
      if (member === undefined) throw notFound("member");
      return member;
    },
    async removeMember(slugOrId, email, principal) {
      const key = subjectKey(email);
      const isSelf = key === subjectKey(principal.subject);
      const { id } = isSelf ? find(slugOrId, principal) : managed(slugOrId, principal);
      if (!await tables.members.remove(id, key)) throw notFound("member");
      await accounts.refresh();
    },
  };
}
