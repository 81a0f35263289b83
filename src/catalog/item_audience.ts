/**
 * To whom a single item is shown, as people decide it: to fewer than see its server, or, when that is
 * taken back, to all of them.
 *
 * @module
 * @see contract.md, section 8, "Permissions"; security.md, AUTHZ-11, AUTHZ-12
 */
import type { Offered } from "../domain/access.ts";
import { FaultyRequest } from "../domain/errors.ts";
import { type Principal, subjectOf } from "../domain/principal.ts";
import type { Audience, Visibility } from "../domain/server.ts";
import { checkAudience, checkOwner, NOBODY } from "./editing.ts";

/** `undefined` takes a member back; one that is not there stays. */
export type AudienceChange = Partial<{
  readonly visibility: Visibility | undefined;
  /** Id or slug. */
  readonly team: string | undefined;
  readonly owner: string | undefined;
}>;

/** @returns the id of the team, `undefined` when there is none */
export type TeamIdOf = (slugOrId: string) => string | undefined;

/**
 * @returns `undefined` for one that follows its server
 * @throws {FaultyRequest} when it does not fit together
 * @throws {GatewayError} `forbidden` for more than the caller may give
 */
export function changedAudience(
  { item, server }: Offered,
  change: AudienceChange,
  principal: Principal,
  teamIdOf: TeamIdOf,
): Audience | undefined {
  const { visibility, team, owner }: AudienceChange = { ...item.audience, ...change };
  if (visibility === undefined) {
    if (change.team !== undefined || change.owner !== undefined) {
      throw faulty("visibility", "is needed with a team or an owner");
    }
    checkAudience(principal, server);
    return undefined;
  }
  const wanted = { visibility, team, owner: owner ?? subjectOf(principal) };
  checkAudience(principal, wanted);
  checkOwner(principal, item.audience ?? NOBODY, wanted);
  if (visibility === "private") return { ...NOBODY, owner: wanted.owner };
  if (visibility === "public") return { ...NOBODY, visibility };
  return { ...NOBODY, visibility, team: idOfTeam(team!, teamIdOf) };
}

/**
 * The same for one of the gateway's own: nothing but itself says to whom it is shown, and it belongs
 * to whoever made it.
 * @param known `undefined` for a new one
 * @throws as `changedAudience`
 */
export function ownAudience(
  known: Audience | undefined,
  change: AudienceChange,
  principal: Principal,
  teamIdOf: TeamIdOf,
): Audience {
  const visibility = change.visibility ?? known?.visibility ??
    (principal.isAdmin ? "public" : "private");
  const owner = change.owner ?? known?.owner ?? subjectOf(principal);
  const team = visibility === "team" ? change.team ?? known?.team : undefined;
  checkAudience(principal, { visibility, team, owner });
  checkOwner(principal, known ?? NOBODY, { visibility, team, owner });
  return { visibility, owner, team: team && idOfTeam(team, teamIdOf) };
}

/** By id: a team that gets this one's name later is another team. */
function idOfTeam(team: string, teamIdOf: TeamIdOf): string {
  const id = teamIdOf(team);
  if (id === undefined) throw faulty("teamId", "is no team");
  return id;
}

function faulty(path: string, message: string): FaultyRequest {
  return new FaultyRequest("invalid_request", "The item cannot be shown like this", [
    { path, message },
  ]);
}
