/**
 * `initialize`: opens a session for the client and one at the upstream server, with the client's own
 * parameters, and agrees on a revision with each.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle"
 */
import { ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { type Edit, edited, inOrder } from "../edit.ts";
import { findMember, nameOf } from "../json_scan.ts";
import { type ClientMessage, INVALID_PARAMS } from "../message.ts";
import { withUnknownId } from "../relay.ts";
import { isOfSessionEra, NEWEST_SESSION_REVISION, type Revision } from "../revisions/revision.ts";
import { broken, scanUpstream, sortMembers, within } from "../upstream_message.ts";
import type { SessionRegistry } from "./registry.ts";
import { upstreamIdOf } from "./reverse.ts";
import type { Opened } from "./upstream_handshake.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

export interface HandshakeDeps {
  readonly registry: SessionRegistry;
  readonly upstream: UpstreamSessions;
}

export interface Greeting {
  readonly status: number;
  readonly body: Uint8Array;
  /** For `Mcp-Session-Id`; `undefined` when the upstream server refused. */
  readonly sessionId: string | undefined;
}

/** What the client asks for, with a revision that is known. */
export interface Hello {
  readonly id: Uint8Array;
  readonly upstreamId: Uint8Array;
  readonly revision: Revision;
  /** Parameters as JSON text. */
  readonly params: string;
  /** The request as it goes upstream. */
  readonly body: Uint8Array;
}

/**
 * @throws {GatewayError} `rate_limited` when the caller has too many sessions
 * @throws as `UpstreamSessions.open`
 */
export async function shakeHands(
  { registry, upstream }: HandshakeDeps,
  principal: Principal,
  server: UpstreamServer,
  message: ClientMessage,
): Promise<Greeting> {
  const hello = helloOf(message);
  const { kind, subject } = principal;
  // Before the upstream server is asked, so that the limit protects it too. What was agreed on is
  // not known yet: it goes into the server's field.
  const { id, session } = await registry.open({
    kind,
    subject,
    server: server.slug,
    revision: hello.revision,
    initialize: hello.params,
  });
  try {
    const { body, upstreamId } = hello;
    const asked = message.params?.protocolVersion;
    const opened = await upstream.open(server, body, idValue(upstreamId), asked);
    if (opened.state === undefined) {
      await registry.end(session);
      return { status: opened.status, body: greeting(opened, hello), sessionId: undefined };
    }
    await registry.save(session, server.slug, undefined, opened.state);
    return { status: 200, body: greeting(opened, hello), sessionId: id };
  } catch (error) {
    await registry.end(session);
    throw error;
  }
}

/** @throws {ProtocolError} -32602 when there is more in it than can be kept */
export function helloOf(message: ClientMessage): Hello {
  const { bytes, members, id } = message;
  const params = findMember(bytes, members, PARAMS);
  if (params === undefined) throw new ProtocolError(INVALID_PARAMS, 200, "params are missing");
  if (params.end - params.start > LIMITS.initializeBytes) {
    throw new ProtocolError(INVALID_PARAMS, 200, "params are too large");
  }
  const asked = message.params?.protocolVersion;
  const isKnown = typeof asked === "string" && isOfSessionEra(asked);
  const revision = isKnown ? asked : NEWEST_SESSION_REVISION;
  const version = within(bytes, params, PROTOCOL_VERSION);
  const edits: Edit[] = [];
  if (!isKnown && version !== undefined) edits.push({ ...version, value: json(revision) });
  const text = edited(bytes.subarray(params.start, params.end), shifted(edits, params.start));
  const idMember = findMember(bytes, members, ID)!;
  const upstreamId = upstreamIdOf(id);
  edits.push({ ...idMember, value: upstreamId });
  return {
    id,
    upstreamId,
    revision,
    params: decoder.decode(text),
    body: edited(bytes, inOrder(edits)),
  };
}

/**
 * The answer for the client: the older of the revisions that it asked for and that the upstream
 * server speaks, so that the client expects nothing that the server does not have.
 */
export function greeting({ answer, state }: Opened, hello: Hello): Uint8Array {
  // A refusal may come without an id, or with null.
  const refusal = state === undefined ? withUnknownId(answer, hello.id)?.message : undefined;
  if (refusal !== undefined) return refusal;
  const found = sortMembers(answer, scanUpstream(answer).members);
  if (found.id === undefined) throw broken("an answer without an id");
  const edits: Edit[] = [{ start: found.id.start, end: found.id.end, value: hello.id }];
  const version = state && found.result && within(answer, found.result, PROTOCOL_VERSION);
  if (version !== undefined && state!.revision > hello.revision) {
    edits.push({ start: version.start, end: version.end, value: json(hello.revision) });
  }
  return edited(answer, inOrder(edits));
}

function shifted(edits: readonly Edit[], by: number): readonly Edit[] {
  return edits.map(({ start, end, value }) => ({ start: start - by, end: end - by, value }));
}

export function idValue(id: Uint8Array): unknown {
  return JSON.parse(decoder.decode(id));
}

function json(value: string): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ID = nameOf("id");
const PARAMS = nameOf("params");
const PROTOCOL_VERSION = nameOf("protocolVersion");
