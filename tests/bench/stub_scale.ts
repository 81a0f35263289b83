/**
 * The stub as very many servers of revision 2026-07-28, each with a list of its own that can change.
 *
 * @module
 */

import { STATELESS_REVISION } from "./payload.ts";
import {
  failure,
  SERVER_INFO,
  type StubRequest,
  success,
  tailOf,
  toolsOf,
} from "./stub_answers.ts";

/** What begins the paths of these: `/scale/7/mcp`, and `/scale/7/change` to have its list change. */
export const SCALE_PATHS = "/scale/";

/** What each of them offers. */
export const SCALE_TOOLS = 200;
export const SCALE_RESOURCES = 40;
export const SCALE_TEMPLATES = 10;

const OF_RESULTS = { resultType: "complete", ttlMs: 0, cacheScope: "private" };

/** Tools as the server with this number shows them; one is described differently after each change. */
export function scaleTools(server: number, changes: number): readonly object[] {
  const names = Array.from({ length: SCALE_TOOLS }, (_, at) => `entry_${server}_${at}`);
  const [first, ...rest] = toolsOf(names);
  return [changes === 0 ? first! : { ...first, title: `Changed ${changes} times` }, ...rest];
}

export function scaleResources(server: number): readonly object[] {
  return Array.from({ length: SCALE_RESOURCES }, (_, at) => ({
    uri: `scale://${server}/entry/${at}`,
    name: `Entry ${at}`,
  }));
}

export function scaleTemplates(server: number): readonly object[] {
  return Array.from({ length: SCALE_TEMPLATES }, (_, at) => ({
    uriTemplate: `scale://${server}/of/${at}/{id}`,
    name: `Entries of ${at}`,
  }));
}

/** Answers whatever is asked below `SCALE_PATHS`. */
export function createScaleStub(): (request: Request, path: string) => Promise<Response> {
  const changes = new Map<number, number>();

  function resultOf(method: string | undefined, server: number): object | undefined {
    if (method === "server/discover") return DISCOVERED;
    if (method === "tools/list") return { tools: scaleTools(server, changes.get(server) ?? 0) };
    if (method === "resources/list") return { resources: scaleResources(server) };
    if (method === "resources/templates/list") {
      return { resourceTemplates: scaleTemplates(server) };
    }
    return undefined;
  }

  return async (request, path) => {
    const [number, what] = path.slice(SCALE_PATHS.length).split("/");
    const server = Number(number);
    if (what === "change") {
      changes.set(server, (changes.get(server) ?? 0) + 1);
      return new Response(null, { status: 202 });
    }
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method }: StubRequest = JSON.parse(await request.text());
    if (id === undefined) return new Response(null, { status: 202 });
    const result = resultOf(method, server);
    if (result === undefined) return failure(id, 404, -32601, "Method not found");
    return success(id, tailOf({ ...OF_RESULTS, ...result }));
  };
}

const DISCOVERED = {
  supportedVersions: [STATELESS_REVISION],
  capabilities: { tools: {}, resources: {} },
  _meta: { "io.modelcontextprotocol/serverInfo": SERVER_INFO },
};
