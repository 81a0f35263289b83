/**
 * `tools/call` of a REST tool: its arguments are checked, and so many calls are under way at one API
 * at once.
 *
 * @module
 * @see contract.md, section 8, "REST tools"
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { OwnTool } from "../../domain/own_item.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamRequest } from "../../upstream/client.ts";
import { UpstreamBusy } from "../../upstream/concurrency.ts";
import { Told } from "../../upstream/explained.ts";
import type { RestClient } from "../../upstream/rest/rest_client.ts";
import { errorResult, type ToolResult } from "../../upstream/rest/tool_result.ts";
import { createTurns, type Turns } from "../../upstream/turns.ts";
import { INVALID_PARAMS, isObject, type JsonObject } from "../message.ts";
import type { OwnLookup } from "./lookup.ts";

export interface OwnToolsDeps {
  readonly rest: RestClient;
  readonly timers: Timers;
  /** What is wrong with arguments, as one sentence. */
  readonly checkArguments: (tool: OwnTool, args: unknown) => string | undefined;
}

export interface OwnToolsOptions {
  /** Calls at one API at once. */
  readonly upstreamConcurrency: number;
}

export type CallTool = (
  own: OwnLookup,
  params: JsonObject,
  request: Pick<UpstreamRequest, "abort" | "caller">,
) => Promise<ToolResult>;

export function createOwnTools(deps: OwnToolsDeps, options: OwnToolsOptions): CallTool {
  /** By origin, for as long as calls are under way there. */
  const places = new Map<string, { readonly turns: Turns; open: number }>();
  const origins = new WeakMap<OwnTool, string>();

  async function placed<T>(
    tool: OwnTool,
    { abort, caller }: Pick<UpstreamRequest, "abort" | "caller">,
    work: () => Promise<T>,
  ): Promise<T> {
    const origin = originOf(tool);
    const place = places.get(origin) ?? { turns: turnsFor(tool), open: 0 };
    places.set(origin, place);
    place.open++;
    try {
      if (!place.turns.take()) await place.turns.wait(caller ?? "", abort.signal);
      return await work().finally(place.turns.give);
    } finally {
      if (--place.open === 0) places.delete(origin);
    }
  }

  function originOf(tool: OwnTool): string {
    let origin = origins.get(tool);
    if (origin === undefined) origins.set(tool, origin = new URL(tool.url).origin);
    return origin;
  }

  function turnsFor({ name }: OwnTool): Turns {
    return createTurns(deps.timers, {
      places: options.upstreamConcurrency,
      waitingMax: LIMITS.upstreamWaiting,
      waitMs: LIMITS.upstreamWaitMs,
      tooBusy: () => new UpstreamBusy({ name }),
    });
  }

  return async (own, { name, arguments: args = {} }, request) => {
    const tool = toolNamed(own, name);
    const problem = deps.checkArguments(tool, args);
    if (problem !== undefined || !isObject(args)) {
      return errorResult(problem ?? "The arguments must be an object");
    }
    const call = { isModern: true, abort: request.abort };
    try {
      return await placed(tool, request, () => deps.rest.call(tool, args, call));
    } catch (error) {
      const isUnfit = error instanceof GatewayError && error.code === "invalid_params";
      if (isUnfit) return errorResult(error.message);
      throw told(error);
    }
  };
}

/** The client of APIs has said what may have become of the call. */
function told(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error.code === "rate_limited") return error;
  return new Told(error.code, error.message, { cause: error });
}

function toolNamed({ named }: OwnLookup, name: unknown): OwnTool {
  const spec = named("tool", name)?.own?.spec;
  if (spec?.kind === "tool") return spec;
  throw new ProtocolError(INVALID_PARAMS, 200, `Unknown tool: ${name}`);
}
