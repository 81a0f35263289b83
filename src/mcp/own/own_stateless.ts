/**
 * The gateway's own client at servers of the stateless era: every request stands for itself.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Request metadata"; Utilities, "Subscriptions"
 */
import type { ItemKind } from "../../domain/item.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { UpstreamStatusError } from "../../upstream/reply.ts";
import type { EraProbe } from "../era_probe.ts";
import { isObject, type JsonObject } from "../message.ts";
import { isStateless, type Revision, STATELESS_REVISIONS } from "../revisions/revision.ts";
import {
  HEADER_MISMATCH,
  META_CAPABILITIES,
  META_CLIENT_INFO,
  META_VERSION,
  UNSUPPORTED_VERSION,
} from "../revisions/stateless_era.ts";
import { broken } from "../upstream_message.ts";
import { type OwnAnswer, type OwnCalls, OwnRefusal, type OwnRequest, resultOf } from "./calls.ts";
import { descriptionOf, OWN_CAPABILITIES, ownInfo } from "./identity.ts";
import type { OwnSide } from "./side.ts";

const REVISION: Revision = STATELESS_REVISIONS[0]!;
/** In `_meta` of results: what a server of this era says about itself. */
const META_SERVER_INFO = "io.modelcontextprotocol/serverInfo";

/** @param version of this program */
export function createStatelessSide(
  calls: OwnCalls,
  eras: Pick<EraProbe, "forget">,
  version: string,
): OwnSide {
  function request(
    server: UpstreamServer,
    method: string,
    params: JsonObject | undefined,
    abort: AbortController,
  ): OwnRequest {
    const _meta = {
      [META_VERSION]: REVISION,
      [META_CAPABILITIES]: OWN_CAPABILITIES,
      [META_CLIENT_INFO]: ownInfo(version),
    };
    return {
      server,
      method,
      params: { ...params, _meta },
      headers: `MCP-Protocol-Version: ${REVISION}\r\nMcp-Method: ${method}\r\n`,
      session: undefined,
      abort,
    };
  }

  const ask: OwnSide["ask"] = async (server, method, params, abort) => {
    try {
      const answer = await calls.ask(request(server, method, params, abort));
      if (isOfOtherEra(answer)) eras.forget(server);
      return answer;
    } catch (error) {
      // The server may have been replaced by one of the other era.
      if (error instanceof UpstreamStatusError) eras.forget(server);
      throw error;
    }
  };

  return {
    ask,
    pingMethod: "server/discover",
    async describe(server, abort) {
      const answer = await ask(server, "server/discover", undefined, abort);
      if (answer.code !== undefined) throw new OwnRefusal("server/discover", answer.code);
      const result = resultOf(answer, "server/discover");
      const { supportedVersions: versions, _meta: meta } = result;
      if (!Array.isArray(versions) || !versions.some(isStateless)) {
        eras.forget(server);
        throw broken("no revision that the gateway speaks");
      }
      const serverInfo = result.serverInfo ?? (isObject(meta) ? meta[META_SERVER_INFO] : undefined);
      return descriptionOf({ ...result, serverInfo }, REVISION, true);
    },
    async listen(server, kinds, _eventId, abort) {
      const params = { notifications: filterOf(kinds) };
      const reply = await calls.listen(request(server, "subscriptions/listen", params, abort));
      if (reply.isStream) {
        return { reply, isResumed: false, isAcknowledged: true, asked: undefined };
      }
      reply.close();
      if (reply.status >= 500 || reply.status === 429) throw new UpstreamStatusError(reply.status);
      return "none";
    },
    end: () => Promise.resolve(),
  };
}

function filterOf(kinds: readonly ItemKind[]): JsonObject {
  return {
    ...(kinds.includes("tool") ? { toolsListChanged: true } : {}),
    ...(kinds.includes("prompt") ? { promptsListChanged: true } : {}),
    ...(kinds.includes("resource") ? { resourcesListChanged: true } : {}),
  };
}

/** An error as servers give it that do not know this era. */
function isOfOtherEra({ status, code }: OwnAnswer): boolean {
  if (code === undefined || status < 400) return false;
  return code === UNSUPPORTED_VERSION || code === HEADER_MISMATCH ||
    (code > HEADER_MISMATCH && code <= -32000);
}
