/**
 * `/api/teams` and their members.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { TeamService } from "../../auth/team_service.ts";
import { type Member, TEAM_ROLES } from "../../domain/account.ts";
import { FaultyRequest } from "../../domain/errors.ts";
import { isSlug } from "../../domain/server.ts";
import type { TeamRow } from "../../storage/account_tables.ts";
import { created, GONE, list, one } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { email, instant, instantOf, line, lines, pageOfSchema, pageQuery } from "./schemas.ts";

const PATH = "/api/teams";
const MEMBERS = `${PATH}/{id}/members`;

const description = lines(8192).nullish();
export const newTeam = z.strictObject({
  name: line(256),
  slug: z.string().refine(isSlug, { error: "must be lower-case letters and digits, joined by -" })
    .optional().openapi({ description: "made of the name when it is not given" }),
  description,
}).openapi("NewTeam");
const teamChange = z.strictObject({ name: line(256).optional(), description }).openapi(
  "TeamChange",
);
export const teamRole = z.enum(TEAM_ROLES);

const record = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  description: z.string().optional(),
  createdAt: instant,
  updatedAt: instant,
}).openapi("Team");

const memberRecord = z.object({ email: z.string(), role: teamRole, since: instant }).openapi(
  "Member",
);

export function createTeamOperations(teams: TeamService): readonly Operation[] {
  return [...listOperations(teams), ...teamOperations(teams), ...memberOperations(teams)];
}

function listOperations(teams: TeamService): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: PATH,
      summary: "The caller's teams; for administrators all",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(record, "TeamPage"),
      handle: ({ query: { cursor, limit }, principal }) => {
        const placeOf = ({ seq, id }: TeamRow) => [seq, id];
        const options = { list: "teams", cursor, limit, placeOf };
        return list(pageOf(teams.list(principal), options), recordOf);
      },
    }),
    operation({
      method: "POST",
      path: PATH,
      summary: "Adds a team; the caller is its first owner",
      query: NO_QUERY,
      body: newTeam,
      status: 201,
      answer: record,
      hasEtag: true,
      handle: async ({ body, principal }) => {
        const { name, slug } = body;
        const team = await teams.create(
          { name, slug, description: body.description ?? undefined },
          principal,
        );
        return created(recordOf(team), team, PATH);
      },
    }),
  ];
}

function teamOperations(teams: TeamService): readonly Operation[] {
  const none = { query: NO_QUERY, body: NO_BODY };
  return [
    operation({
      ...none,
      method: "GET",
      path: `${PATH}/{id}`,
      summary: "One team, by id or slug",
      status: 200,
      answer: record,
      hasEtag: true,
      handle: ({ id, principal }) => {
        const team = teams.find(id, principal);
        return one(recordOf(team), team);
      },
    }),
    operation({
      method: "PATCH",
      path: `${PATH}/{id}`,
      summary: "Changes the members that are given; null clears one. The slug stays",
      query: NO_QUERY,
      body: teamChange,
      status: 200,
      answer: record,
      hasEtag: true,
      handle: async ({ id, body: { name, description }, isExpected, principal }) => {
        const team = await teams.update(
          id,
          {
            ...name === undefined ? {} : { name },
            ...description === undefined ? {} : { description: description ?? undefined },
          },
          isExpected,
          principal,
        );
        return one(recordOf(team), team);
      },
    }),
    operation({
      ...none,
      method: "DELETE",
      path: `${PATH}/{id}`,
      summary: "Removes a team; what only it could see, only administrators see from then on",
      status: 204,
      answer: undefined,
      handle: async ({ id, isExpected, principal }) => {
        await teams.remove(id, isExpected, principal);
        return GONE;
      },
    }),
  ];
}

function memberOperations(teams: TeamService): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: MEMBERS,
      summary: "Who belongs to a team, by address",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(memberRecord, "MemberPage"),
      handle: ({ id, query: { cursor, limit }, principal }) => {
        const placeOf = ({ key }: Member) => [key];
        const options = { list: "members", cursor, limit, placeOf };
        return list(pageOf(teams.membersOf(id, principal), options), memberOf);
      },
    }),
    operation({
      method: "PUT",
      path: `${MEMBERS}/{email}`,
      summary: "Adds a member, or gives it another role",
      query: NO_QUERY,
      body: z.strictObject({ role: teamRole.default("member") }),
      status: 200,
      answer: memberRecord,
      handle: async ({ id, email: given, body, principal }) => {
        const address = email.safeParse(given);
        if (!address.success) {
          throw new FaultyRequest("invalid_request", "The URL does not name a member", [
            { path: "email", message: address.error.issues[0]!.message },
          ]);
        }
        const member = await teams.putMember(id, address.data, body.role, principal);
        return { status: 200, body: memberOf(member) };
      },
    }),
    operation({
      method: "DELETE",
      path: `${MEMBERS}/{email}`,
      summary: "Ends a membership: the team's things are gone for the member within 5 seconds",
      query: NO_QUERY,
      body: NO_BODY,
      status: 204,
      answer: undefined,
      handle: async ({ id, email, principal }) => {
        await teams.removeMember(id, email, principal);
        return GONE;
      },
    }),
  ];
}

function recordOf(team: TeamRow): z.input<typeof record> {
  const { id, slug, name, description, createdMs, updatedMs } = team;
  return {
    id,
    slug,
    name,
    description,
    createdAt: instantOf(createdMs),
    updatedAt: instantOf(updatedMs),
  };
}

function memberOf({ email, role, sinceMs }: Member): z.input<typeof memberRecord> {
  return { email, role, since: instantOf(sinceMs) };
}
