/**
 * `initialize` as the gateway sends it: opens a session at an upstream server, and tells a new one
 * what the client has told the old one.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle"
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { placeOf, type UpstreamServer } from "../../domain/server.ts";
import type { SessionMark, UpstreamClient } from "../../upstream/client.ts";
import type { UpstreamReply } from "../../upstream/reply.ts";
import { isObject, type JsonObject, METHOD_NOT_FOUND } from "../message.ts";
import { isOfSessionEra, type Revision, STATELESS_REVISIONS } from "../revisions/revision.ts";
import { HEADER_MISMATCH, UNSUPPORTED_VERSION } from "../revisions/stateless_era.ts";
import { broken, checkResponse, scanUpstream, sortMembers } from "../upstream_message.ts";
import { ownId } from "./reverse.ts";
import { freshState, type UpstreamState } from "./session.ts";

/** The answer to `initialize`. */
export interface Opened {
  /** The message as the server sent it. */
  readonly answer: Uint8Array;
  readonly message: JsonObject;
  readonly status: number;
  /** `undefined` when the server answered with an error. */
  readonly state: UpstreamState | undefined;
}

export interface Opening {
  readonly client: UpstreamClient;
  /** For each of the messages. */
  readonly firstByteMs: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * @param body the request `initialize`, with the id `id`
 * @param asked the revision that the client asked for
 * @throws {ProtocolError} -32022 when the server is of the stateless era
 * @throws as `UpstreamClient.send`
 */
export async function openUpstream(
  { client, firstByteMs }: Opening,
  server: UpstreamServer,
  body: Uint8Array,
  id: unknown,
  asked?: unknown,
): Promise<Opened> {
  const reply = await client.send(server, { ...shortRequest(body, firstByteMs), headers: "" });
  try {
    const { answer, message } = await answerTo(reply, id);
    if (!isObject(message.result)) {
      refuseOtherEra(reply.status, message.error, asked);
      return { answer, message, status: keptStatus(reply.status), state: undefined };
    }
    const revision = message.result.protocolVersion;
    if (typeof revision !== "string") throw broken("no protocol version");
    if (!isOfSessionEra(revision)) throw otherEra([revision], asked);
    const state = freshState(reply.sessionId(), revision, placeOf(server));
    return { answer, message, status: 200, state };
  } finally {
    reply.close();
  }
}

/** The request `initialize` of the gateway's own, with a client's parameters. */
export function ownInitialize(params: string): { readonly id: string; readonly body: Uint8Array } {
  const id = ownId("initialize");
  const text = `{"jsonrpc":"2.0","id":"${id}","method":"initialize","params":${params}}`;
  return { id, body: encoder.encode(text) };
}

/**
 * Tells a new session that it is initialized, and what the client has told the old one.
 * @param failed what a server refuses now does not keep the rest from being said
 */
export async function tellAgain(
  { client, firstByteMs }: Opening,
  server: UpstreamServer,
  state: UpstreamState,
  failed: (error: unknown) => void,
): Promise<void> {
  const { logLevel: level, subscriptions } = state;
  const messages: JsonObject[] = [{ method: "notifications/initialized" }];
  if (level !== undefined) {
    messages.push({ id: ownId("level"), method: "logging/setLevel", params: { level } });
  }
  for (const [i, uri] of subscriptions.entries()) {
    messages.push({
      id: ownId(`subscribe-${i}`),
      method: "resources/subscribe",
      params: { uri },
    });
  }
  for (const message of messages) {
    try {
      const body = encoder.encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
      const reply = await client.send(server, {
        ...shortRequest(body, firstByteMs),
        ...markOf(state),
        isOneWay: message.id === undefined,
      });
      if (message.id !== undefined) await answerTo(reply, message.id).finally(reply.close);
      else reply.close();
    } catch (error) {
      failed(error);
    }
  }
}

function shortRequest(body: Uint8Array, ms: number) {
  const abort = new AbortController();
  return { body, idempotent: false, firstMs: ms, silenceMs: ms, totalMs: ms, abort };
}

/** What marks a message as one of this session. */
export function markOf({ revision, sessionId }: UpstreamState): SessionMark {
  const version = `MCP-Protocol-Version: ${revision}\r\n`;
  const headers = sessionId === undefined ? version : `${version}Mcp-Session-Id: ${sessionId}\r\n`;
  return { headers, session: sessionId };
}

/** A 4xx belongs to the error that it carries; a 5xx is the server's own affair. */
function keptStatus(status: number): number {
  return status >= 400 && status < 500 ? status : 200;
}

/** @throws {GatewayError} `upstream_protocol` when the reply ends without it */
export async function answerTo(
  reply: UpstreamReply,
  id: unknown,
): Promise<{ answer: Uint8Array; message: JsonObject }> {
  for (let bytes = await reply.next(); bytes !== undefined; bytes = await reply.next()) {
    const message = parsed(bytes);
    const isRefusal = reply.status >= 400 && isObject(message.error) &&
      (message.id ?? null) === null;
    if (message.method === undefined && (message.id === id || isRefusal)) {
      checkResponse(bytes, sortMembers(bytes, scanUpstream(bytes).members));
      return { answer: bytes.slice(), message };
    }
  }
  throw new GatewayError("upstream_protocol", "The upstream server did not answer the request");
}

function parsed(bytes: Uint8Array): JsonObject {
  let message: unknown;
  try {
    message = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw broken("malformed JSON", error);
  }
  if (!isObject(message)) throw broken("something that is not one message");
  return message;
}

/** A server of the stateless era says so in one of these ways. */
function refuseOtherEra(status: number, error: unknown, asked: unknown): void {
  if (status < 400 || !isObject(error)) return;
  const { code, data } = error;
  const isModern = code === UNSUPPORTED_VERSION || code === HEADER_MISMATCH ||
    (code === METHOD_NOT_FOUND && status === 404);
  if (!isModern) return;
  const isNamed = isObject(data) && Array.isArray(data.supported);
  throw otherEra(isNamed ? data.supported as Revision[] : STATELESS_REVISIONS, asked);
}

/** Whether a server that had sessions says that it has none any more. */
export function refusesSessions(bytes: Uint8Array): boolean {
  if (bytes.length > REFUSAL_BYTES) return false;
  try {
    const { error } = parsed(bytes);
    if (!isObject(error) || error.code !== UNSUPPORTED_VERSION || !isObject(error.data)) {
      return false;
    }
    const { supported } = error.data;
    return Array.isArray(supported) && !supported.some(isOfSessionEra);
  } catch {
    return false;
  }
}

/** Such an error, and as much again for all that is not known. */
const REFUSAL_BYTES = 4 * 1024;

function otherEra(supported: readonly Revision[], asked: unknown): ProtocolError {
  const text = "The upstream server speaks other revisions";
  const requested = typeof asked === "string" ? { requested: asked } : {};
  return new ProtocolError(UNSUPPORTED_VERSION, 400, text, { supported, ...requested });
}
