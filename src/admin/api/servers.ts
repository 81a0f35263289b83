/**
 * `/api/servers`: virtual servers.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ServerShelf } from "../../catalog/catalog.ts";
import type { NewServer, ServerService } from "../../catalog/server_service.ts";
import { type Principal, subjectOf } from "../../domain/principal.ts";
import type { Overrides } from "../../domain/server.ts";
import { created, GONE, list, one } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { instantOf, pageOfSchema, pageQuery } from "./schemas.ts";
import { newServer, serverChange, serverRecord } from "./server_schemas.ts";

const PATH = "/api/servers";

export function createServerOperations(servers: ServerService): readonly Operation[] {
  const version = ({ server, revision }: ServerShelf) => ({ id: server.id, revision });
  const none = { query: NO_QUERY, body: NO_BODY };
  return [
    operation({
      method: "GET",
      path: PATH,
      summary: "Virtual servers, in the order in which they became known",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(serverRecord, "ServerPage"),
      handle: ({ query, principal }) => {
        const placeOf = ({ server }: ServerShelf) => [server.seq, server.id];
        const options = { list: "servers", cursor: query.cursor, limit: query.limit, placeOf };
        return list(pageOf(servers.list(principal), options), recordOf);
      },
    }),
    operation({
      method: "POST",
      path: PATH,
      summary: "Adds a virtual server; refused when two of its items would have one name",
      query: NO_QUERY,
      body: newServer,
      status: 201,
      answer: serverRecord,
      hasEtag: true,
      handle: async ({ body, principal }) => {
        const { slug } = body;
        const shelf = await servers.create(
          serverFrom(body, principal),
          slug ?? undefined,
          principal,
        );
        return created(recordOf(shelf), version(shelf), PATH);
      },
    }),
    operation({
      ...none,
      method: "GET",
      path: `${PATH}/{id}`,
      summary: "One virtual server, by id or slug",
      status: 200,
      answer: serverRecord,
      hasEtag: true,
      handle: ({ id, principal }) => {
        const shelf = servers.find(id, principal);
        return one(recordOf(shelf), version(shelf));
      },
    }),
    operation({
      method: "PATCH",
      path: `${PATH}/{id}`,
      summary: "Changes the members that are given; null clears one. The slug stays",
      query: NO_QUERY,
      body: serverChange,
      status: 200,
      answer: serverRecord,
      hasEtag: true,
      handle: async ({ id, body, isExpected, principal }) => {
        const shelf = await servers.update(id, serverChangeFrom(body), isExpected, principal);
        return one(recordOf(shelf), version(shelf));
      },
    }),
    operation({
      ...none,
      method: "DELETE",
      path: `${PATH}/{id}`,
      summary: "Removes a virtual server; what it showed stays",
      status: 204,
      answer: undefined,
      handle: async ({ id, isExpected, principal }) => {
        await servers.remove(id, isExpected, principal);
        return GONE;
      },
    }),
  ];
}

export function serverFrom(
  { slug: _, ...body }: z.output<typeof newServer>,
  principal: Principal,
): NewServer {
  return {
    title: undefined,
    description: undefined,
    instructions: undefined,
    tools: [],
    prompts: [],
    resources: [],
    naming: "prefixed",
    visibility: principal.isAdmin ? "public" : "private",
    team: undefined,
    overrides: overridesFrom(null),
    enabled: true,
    ...serverChangeFrom(body),
    owner: body.owner ?? subjectOf(principal),
    name: body.name,
  };
}

/** The members that were given; `null` is back to what there is without them. */
export function serverChangeFrom(body: z.output<typeof serverChange>): Partial<NewServer> {
  const { name, title, description, instructions, tools, prompts, resources } = body;
  const { naming, visibility, teamId, owner, overrides, enabled } = body;
  return {
    ...name === undefined ? {} : { name },
    ...title === undefined ? {} : { title: title ?? undefined },
    ...description === undefined ? {} : { description: description ?? undefined },
    ...instructions === undefined ? {} : { instructions: instructions ?? undefined },
    ...tools === undefined ? {} : { tools: tools ?? [] },
    ...prompts === undefined ? {} : { prompts: prompts ?? [] },
    ...resources === undefined ? {} : { resources: resources ?? [] },
    ...naming === undefined ? {} : { naming },
    ...visibility === undefined ? {} : { visibility },
    ...teamId === undefined ? {} : { team: teamId ?? undefined },
    ...owner === undefined ? {} : { owner: owner ?? undefined },
    ...overrides === undefined ? {} : { overrides: overridesFrom(overrides) },
    ...enabled === undefined ? {} : { enabled },
  };
}

function overridesFrom(given: z.output<typeof serverChange>["overrides"]): Overrides {
  const { tools = {}, prompts = {}, resources = {} } = given ?? {};
  return { tools, prompts, resources };
}

function recordOf(shelf: ServerShelf): z.input<typeof serverRecord> {
  const { id, slug, name, title, description, instructions, naming, ...server } = shelf.server;
  const { visibility, team, owner, overrides, enabled, declared } = server;
  return {
    id,
    slug,
    name,
    title,
    description,
    instructions,
    tools: [...server.tools],
    prompts: [...server.prompts],
    resources: [...server.resources],
    naming,
    visibility,
    teamId: team,
    owner,
    overrides,
    enabled,
    declared,
    createdAt: instantOf(shelf.createdMs),
    updatedAt: instantOf(shelf.updatedMs),
  };
}
