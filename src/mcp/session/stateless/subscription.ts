/**
 * The messages of a `subscriptions/listen`: the request, and what comes on it as a session's client
 * knows it.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
import { edited } from "../../edit.ts";
import { hasName, membersAt, nameOf } from "../../json_scan.ts";
import { isObject, type JsonObject } from "../../message.ts";
import { withoutMembers } from "../../removal.ts";
import { META_SUBSCRIPTION_ID } from "../../revisions/stateless_era.ts";
import { isText, scanUpstream, sortMembers, within } from "../../upstream_message.ts";
import { REVISION } from "./identity.ts";
import { textAt, textOf } from "./request.ts";

/** What a server is asked to tell. */
export interface Wants {
  /** Whether changes of its lists are wanted. */
  readonly lists: boolean;
  /** Resources, as the server knows them. */
  readonly uris: ReadonlySet<string>;
}

/** @param envelope members of `_meta`, JSON text */
export function listenBody(id: string, envelope: string, { lists, uris }: Wants): Uint8Array {
  const notifications: JsonObject = {
    ...lists && { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true },
    ...uris.size > 0 && { resourceSubscriptions: [...uris] },
  };
  return encoder.encode(
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"${LISTEN}","params":` +
      `{"_meta":{${envelope}},"notifications":${JSON.stringify(notifications)}}}`,
  );
}

export const LISTEN_HEADERS =
  `MCP-Protocol-Version: ${REVISION}\r\nMcp-Method: subscriptions/listen\r\n`;

/**
 * The resources that the server agrees to tell of; `undefined` when the message is no agreement.
 * @throws {GatewayError} `upstream_protocol` when it is no message
 */
export function agreedIn(bytes: Uint8Array): ReadonlySet<string> | undefined {
  const found = sortMembers(bytes, scanUpstream(bytes).members);
  if (found.method === undefined || !isText(bytes, found.method, ACKNOWLEDGED)) return undefined;
  const params: unknown = found.params && JSON.parse(textOf(bytes, found.params));
  const honoured = isObject(params) && isObject(params.notifications)
    ? params.notifications.resourceSubscriptions
    : undefined;
  const uris = Array.isArray(honoured) ? honoured : [];
  return new Set(uris.filter((uri) => typeof uri === "string"));
}

/**
 * A message for the client; `end` for the last one of the subscription, `undefined` for what is not
 * for the client.
 * @throws {GatewayError} `upstream_protocol` when it is no message
 */
export function toldBy(
  bytes: Uint8Array,
  { uris }: Wants,
): Uint8Array | "end" | undefined {
  const found = sortMembers(bytes, scanUpstream(bytes).members);
  const { method, params } = found;
  if (method === undefined) return "end";
  if (found.id !== undefined || UNHEARD.some((name) => isText(bytes, method, name))) {
    return undefined;
  }
  if (params === undefined) return bytes;
  if (isText(bytes, method, UPDATED) && !uris.has(textAt(bytes, params, [URI]) ?? "")) {
    return undefined;
  }
  const members = membersAt(bytes, params.start);
  const meta = within(bytes, params, META);
  if (meta === undefined) return bytes;
  const metas = membersAt(bytes, meta.start);
  const isOurs = (name: typeof SUBSCRIPTION_ID) => (member: typeof meta) =>
    hasName(bytes, member, name);
  // Nothing is left behind of what was only there for the id.
  if (metas.length > 1) {
    return edited(bytes, withoutMembers(metas, isOurs(SUBSCRIPTION_ID)));
  }
  if (!metas.every(isOurs(SUBSCRIPTION_ID))) return bytes;
  if (members.length > 1) return edited(bytes, withoutMembers(members, isOurs(META)));
  const all = membersAt(bytes, bytes.indexOf(OPEN));
  return edited(bytes, withoutMembers(all, isOurs(PARAMS)));
}

const encoder = new TextEncoder();
const OPEN = 0x7b;
const LISTEN = "subscriptions/listen";
const ACKNOWLEDGED = nameOf("notifications/subscriptions/acknowledged");
const UPDATED = nameOf("notifications/resources/updated");
/** What belongs to no subscription, or to what clients of sessions have not. */
const UNHEARD = [
  ACKNOWLEDGED,
  ...["cancelled", "progress", "message", "tasks"].map((name) => nameOf(`notifications/${name}`)),
];
const META = nameOf("_meta");
const PARAMS = nameOf("params");
const URI = nameOf("uri");
const SUBSCRIPTION_ID = nameOf(META_SUBSCRIPTION_ID);
