/**
 * What the gateway's own server says, as bytes.
 *
 * @module
 */
import { OWN_INFO } from "../../catalog/own_shelf.ts";
import type { UpstreamReply } from "../../upstream/reply.ts";
import type { JsonObject } from "../message.ts";
import { said } from "../replies.ts";
import { META_SERVER_INFO } from "../revisions/stateless_era.ts";

export function answered(id: unknown, result: JsonObject): UpstreamReply {
  const complete = { resultType: "complete", _meta: SERVER_INFO, ...result };
  return said(messageOf({ id, result: complete }));
}

export function messageOf(members: JsonObject): Uint8Array {
  return encoder.encode(JSON.stringify({ jsonrpc: "2.0", ...members }));
}

const encoder = new TextEncoder();
const SERVER_INFO = { [META_SERVER_INFO]: OWN_INFO };
