/**
 * A request of the stateless era as a server of the session era gets it: ids of the gateway's, and
 * nothing that says of which era the client is.
 *
 * A server that speaks both eras would take a message with the envelope for one of the other.
 *
 * @module
 * @see protocol.md, section 1.3
 */
import { type Edit, edited, inOrder } from "../edit.ts";
import { findMember, hasName, type Member, membersAt, type Name, nameOf } from "../json_scan.ts";
import { type ClientMessage, isObject } from "../message.ts";
import {
  META_CAPABILITIES,
  META_CLIENT_INFO,
  META_LOG_LEVEL,
  META_VERSION,
} from "../revisions/stateless_era.ts";
import { withoutMembers } from "../removal.ts";

export interface Outgoing {
  readonly body: Uint8Array;
  /** The id and progress token upstream, as JSON text. */
  readonly id: Uint8Array;
}

/**
 * @param upstreamId unique among the open requests of the upstream session
 * @param route what stands differently in it at this server
 */
export function outgoing(message: ClientMessage, upstreamId: number, route?: Edit): Outgoing {
  const { bytes, members, params } = message;
  const id = encoder.encode(String(upstreamId));
  const edits: Edit[] = [at(findMember(bytes, members, ID)!, id)];
  if (route !== undefined) edits.push(route);
  const inParams = membersAt(bytes, findMember(bytes, members, PARAMS)!.start);
  if (params?.inputResponses !== undefined || params?.requestState !== undefined) {
    edits.push(...withoutMembers(inParams, (member) => isOneOf(bytes, member, ROUND)));
  }
  const meta = findMember(bytes, inParams, META);
  if (meta !== undefined) {
    const inMeta = membersAt(bytes, meta.start);
    const isOfEnvelope = (member: Member) => isOneOf(bytes, member, ENVELOPE);
    // Most clients have nothing else in it.
    if (inMeta.every(isOfEnvelope)) edits.push({ start: meta.start, end: meta.end, value: EMPTY });
    else edits.push(...withoutMembers(inMeta, isOfEnvelope));
    const token = findMember(bytes, inMeta, PROGRESS_TOKEN);
    if (token !== undefined) edits.push(at(token, id));
  }
  return { body: edited(bytes, inOrder(edits)), id };
}

function isOneOf(bytes: Uint8Array, member: Member, names: readonly Name[]): boolean {
  for (const name of names) if (hasName(bytes, member, name)) return true;
  return false;
}

function at({ start, end }: Member, value: Uint8Array): Edit {
  return { start, end, value };
}

/** The token that the client chose for progress, as it wrote it; `undefined` for none. */
export function progressTokenOf({ bytes, members, params }: ClientMessage): Uint8Array | undefined {
  const token = isObject(params?._meta) ? params._meta.progressToken : undefined;
  if (typeof token !== "string" && !Number.isInteger(token)) return undefined;
  const inParams = membersAt(bytes, findMember(bytes, members, PARAMS)!.start);
  const inMeta = membersAt(bytes, findMember(bytes, inParams, META)!.start);
  const { start, end } = findMember(bytes, inMeta, PROGRESS_TOKEN)!;
  return bytes.slice(start, end);
}

const encoder = new TextEncoder();
const EMPTY = encoder.encode("{}");
const ID = nameOf("id");
const PARAMS = nameOf("params");
const META = nameOf("_meta");
const PROGRESS_TOKEN = nameOf("progressToken");
const ROUND = ["inputResponses", "requestState"].map((name) => nameOf(name));
const ENVELOPE = [META_VERSION, META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL]
  .map((name) => nameOf(name));
