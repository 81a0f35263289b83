/**
 * `/api/upstreams`
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Shelf } from "../../catalog/catalog.ts";
import type { UpstreamService } from "../../catalog/upstream_service.ts";
import type { NewUpstream, UpstreamChange } from "../../catalog/upstream_settings.ts";
import { type Principal, subjectOf } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { created, GONE, list, one } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { pageOfSchema, pageQuery } from "./schemas.ts";
import {
  newUpstream,
  refreshed,
  tested,
  upstreamChange,
  upstreamRecord,
} from "./upstream_schemas.ts";
import { type LiveStatus, refreshedRecord, testedRecord, upstreamOf } from "./upstream_records.ts";

export interface UpstreamOperationsDeps {
  readonly upstreams: UpstreamService;
  readonly statusOf: (server: UpstreamServer) => LiveStatus;
}

const PATH = "/api/upstreams";
const QUERY = z.strictObject(pageQuery);

export function createUpstreamOperations(deps: UpstreamOperationsDeps): readonly Operation[] {
  const { upstreams } = deps;
  const record = (shelf: Shelf) => upstreamOf(shelf, deps.statusOf(shelf.server));
  const version = ({ server, revision }: Shelf) => ({ id: server.id, revision });
  const none = { query: NO_QUERY, body: NO_BODY };
  return [
    operation({
      method: "GET",
      path: PATH,
      summary: "Upstream servers, in the order in which they became known",
      query: QUERY,
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(upstreamRecord, "UpstreamPage"),
      handle: ({ query, principal }) => {
        const placeOf = ({ server }: Shelf) => [server.seq, server.id];
        const options = { list: "upstreams", cursor: query.cursor, limit: query.limit, placeOf };
        return list(pageOf(upstreams.list(principal), options), record);
      },
    }),
    operation({
      method: "POST",
      path: PATH,
      summary: "Adds a server; one that cannot be reached now is added all the same",
      query: NO_QUERY,
      body: newUpstream,
      status: 201,
      answer: upstreamRecord,
      hasEtag: true,
      handle: async ({ body, principal }) => {
        const shelf = await upstreams.create(upstreamFrom(body, principal), principal);
        return created(record(shelf), version(shelf), PATH);
      },
    }),
    operation({
      method: "POST",
      path: `${PATH}/test`,
      summary: "Says what would be found, and keeps nothing",
      query: NO_QUERY,
      body: newUpstream,
      status: 200,
      answer: tested,
      handle: async ({ body, principal }) => {
        const result = await upstreams.test(upstreamFrom(body, principal), principal);
        return { status: 200, body: testedRecord(result) };
      },
    }),
    operation({
      ...none,
      method: "GET",
      path: `${PATH}/{id}`,
      summary: "One server, by id or slug",
      status: 200,
      answer: upstreamRecord,
      hasEtag: true,
      handle: ({ id, principal }) => {
        const shelf = upstreams.find(id, principal);
        return one(record(shelf), version(shelf));
      },
    }),
    operation({
      method: "PATCH",
      path: `${PATH}/{id}`,
      summary: "Changes the members that are given; null clears one. The slug stays",
      query: NO_QUERY,
      body: upstreamChange,
      status: 200,
      answer: upstreamRecord,
      hasEtag: true,
      handle: async ({ id, body, isExpected, principal }) => {
        const shelf = await upstreams.update(id, upstreamChangeFrom(body), isExpected, principal);
        return one(record(shelf), version(shelf));
      },
    }),
    operation({
      ...none,
      method: "DELETE",
      path: `${PATH}/{id}`,
      summary: "Removes a server with everything that was found at it",
      status: 204,
      answer: undefined,
      handle: async ({ id, isExpected, principal }) => {
        await upstreams.remove(id, isExpected, principal);
        return GONE;
      },
    }),
    operation({
      ...none,
      method: "POST",
      path: `${PATH}/{id}/refresh`,
      summary: "Discovers now what the server offers, and says what has changed",
      status: 200,
      answer: refreshed,
      handle: async ({ id, principal }) => {
        const result = await upstreams.refresh(id, principal);
        const status = deps.statusOf(result.shelf.server);
        return { status: 200, body: refreshedRecord(result, status) };
      },
    }),
  ];
}

export function upstreamFrom(
  body: z.output<typeof newUpstream>,
  principal: Principal,
): NewUpstream {
  const { name, url } = body;
  return {
    transport: "http",
    title: undefined,
    headers: {},
    auth: { type: "none" },
    visibility: principal.isAdmin ? "public" : "private",
    team: undefined,
    passthroughHeaders: [],
    timeoutMs: undefined,
    enabled: true,
    expose: true,
    tags: [],
    ...upstreamChangeFrom(body),
    owner: body.owner ?? subjectOf(principal),
    name,
    url: new URL(url).href,
  };
}

/** The members that were given; `null` is back to what there is without them. */
export function upstreamChangeFrom(body: z.output<typeof upstreamChange>): UpstreamChange {
  const { name, url, type, title, headers, auth, visibility, teamId, owner } = body;
  const { passthroughHeaders, timeout, enabled, expose, tags } = body;
  return {
    ...name === undefined ? {} : { name },
    ...url === undefined ? {} : { url: new URL(url).href },
    ...type === undefined ? {} : { transport: type },
    ...title === undefined ? {} : { title: title ?? undefined },
    ...headers === undefined ? {} : { headers: headers ?? {} },
    ...auth === undefined ? {} : { auth: auth ?? { type: "none" } },
    ...visibility === undefined ? {} : { visibility },
    ...teamId === undefined ? {} : { team: teamId ?? undefined },
    ...owner === undefined ? {} : { owner: owner ?? undefined },
    ...passthroughHeaders === undefined ? {} : { passthroughHeaders: passthroughHeaders ?? [] },
    ...timeout === undefined ? {} : { timeoutMs: timeout ?? undefined },
    ...enabled === undefined ? {} : { enabled },
    ...expose === undefined ? {} : { expose },
    ...tags === undefined ? {} : { tags: tags ?? [] },
  };
}
