/**
 * How the gateway introduces itself to upstream servers, and how it takes their introductions.
 *
 * @module
 */
import type { Description } from "../../catalog/reader.ts";
import { LIMITS } from "../../domain/limits.ts";
import { isObject, type JsonObject } from "../message.ts";
import type { Revision } from "../revisions/revision.ts";
import { broken } from "../upstream_message.ts";

/** Everything that some client of the gateway may be able to do: servers hide nothing then. */
export const OWN_CAPABILITIES: JsonObject = Object.freeze({
  roots: {},
  sampling: {},
  elicitation: { form: {}, url: {} },
  extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
});

export function ownInfo(version: string): JsonObject {
  return { name: "sallyport", version };
}

/**
 * What a server says about itself.
 * @throws {GatewayError} `upstream_protocol` when that is no description
 */
export function descriptionOf(
  { capabilities, serverInfo, instructions }: JsonObject,
  revision: Revision,
  isStateless: boolean,
): Description {
  if (!isObject(capabilities)) throw broken("no capabilities");
  if (sizeOf(capabilities) > LIMITS.describedBytes) throw broken("too many capabilities");
  const isInfo = isObject(serverInfo) && sizeOf(serverInfo) <= LIMITS.describedBytes;
  return {
    revision,
    isStateless,
    capabilities,
    serverInfo: isInfo ? serverInfo : undefined,
    instructions: typeof instructions === "string" && instructions !== ""
      ? instructions.slice(0, LIMITS.describedBytes).toWellFormed()
      : undefined,
  };
}

function sizeOf(value: JsonObject): number {
  return JSON.stringify(value).length;
}
