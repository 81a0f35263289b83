/**
 * The gateway's own items as an MCP server of the stateless era, within this process: a request in,
 * a reply out, as over any transport. So views, sessions, bridges and limits have nothing to know.
 *
 * Who may see an item has been decided before a message comes here, by the view that it went
 * through; which item is meant stands in the message.
 *
 * @module
 */
import type { Catalog } from "../../catalog/catalog.ts";
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { OWN_SERVER } from "../../domain/server.ts";
import type { UpstreamRequest } from "../../upstream/client.ts";
import type { OwnMcpClient } from "../../upstream/connect.ts";
import type { UpstreamReply } from "../../upstream/reply.ts";
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  isObject,
  type JsonObject,
  METHOD_NOT_FOUND,
} from "../message.ts";
import { accepted, said } from "../replies.ts";
import { completionOf } from "./completion.ts";
import { createOwnListen } from "./listen.ts";
import { createOwnLookup } from "./lookup.ts";
import { promptNamed, promptOf } from "./prompts.ts";
import { answered, messageOf } from "./replies.ts";
import { readingOf, resourceOf } from "./resources.ts";
import type { CallTool } from "./tools.ts";

export interface OwnServerDeps {
  readonly catalog: Pick<Catalog, "shelf" | "follow">;
  readonly callTool: CallTool;
}

type Run = (params: JsonObject, request: UpstreamRequest) => JsonObject | Promise<JsonObject>;

export function createOwnServer({ catalog, callTool }: OwnServerDeps): OwnMcpClient {
  const own = createOwnLookup(() => catalog.shelf(OWN_SERVER.slug)?.items ?? NONE);
  const listen = createOwnListen({ own, follow: catalog.follow });

  const methods: Readonly<Record<string, Run>> = {
    "tools/call": async (params, request) => ({ ...await callTool(own, params, request) }),
    "prompts/get": (params) => promptOf(promptNamed(own, params.name), params.arguments),
    "resources/read": (params) => readingOf(resourceOf(own, params.uri)),
    "completion/complete": (params) => completionOf(own, params),
  };

  async function send(body: Uint8Array, request: UpstreamRequest): Promise<UpstreamReply> {
    const { id, method, params = {} } = JSON.parse(decoder.decode(body));
    if (id === undefined) return accepted();
    try {
      if (!isObject(params)) throw new ProtocolError(INVALID_REQUEST, 400, "params is no object");
      if (method === "subscriptions/listen") return listen(id, params, request.abort);
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (run === undefined) {
        throw new ProtocolError(METHOD_NOT_FOUND, 404, `There is no method "${method}" here`);
      }
      return answered(id, await run(params, request));
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      const { rpcCode: code, message, data, httpStatus } = refusal;
      return said(messageOf({ id, error: { code, message, data } }), httpStatus);
    }
  }

  return {
    send: (_, request) =>
      request.body === undefined
        ? Promise.reject(new GatewayError("upstream_protocol", "There are no sessions here"))
        : send(request.body, request),
  };
}

/** What is wrong with the request is said as the specification has it; all else is a failure. */
function refusalOf(error: unknown): ProtocolError | undefined {
  if (error instanceof ProtocolError) return error;
  return error instanceof GatewayError && error.code === "invalid_params"
    ? new ProtocolError(INVALID_PARAMS, 200, error.message)
    : undefined;
}

const NONE = [] as const;
const decoder = new TextDecoder();
