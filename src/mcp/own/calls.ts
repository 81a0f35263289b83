/**
 * One request of the gateway's own to an upstream server, and the answer to it.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Pace } from "../../platform/pace.ts";
import type { UpstreamClient } from "../../upstream/client.ts";
import type { UpstreamReply } from "../../upstream/reply.ts";
import { endedWithoutAnswer } from "../failure.ts";
import { elementsOf, type Member, nameOf } from "../json_scan.ts";
import { isObject, type JsonObject } from "../message.ts";
import {
  broken,
  checkResponse,
  type Found,
  isText,
  isUpstreamJson,
  scanUpstream,
  sortMembers,
} from "../upstream_message.ts";

export interface OwnRequest {
  readonly server: UpstreamServer;
  readonly method: string;
  readonly params: JsonObject | undefined;
  /** Header lines of the protocol. */
  readonly headers: string;
  readonly session: string | undefined;
  readonly abort: AbortController;
  /** Takes what the server asks before it answers. */
  readonly asked?: ((message: Uint8Array, question: Found) => void) | undefined;
}

export interface OwnAnswer {
  readonly status: number;
  /** @throws {GatewayError} when it is malformed */
  readonly sessionId: string | undefined;
  /** The whole message; nobody else writes into its memory. */
  readonly message: Uint8Array;
  /** Where the result stands; `undefined` when it is an error. */
  readonly result: Member | undefined;
  /** Of an error. */
  readonly code: number | undefined;
}

export interface OwnCalls {
  /** @throws as `UpstreamClient.send`; `upstream_protocol` when it is not answered as it should */
  readonly ask: (request: OwnRequest) => Promise<OwnAnswer>;
  /** A stream that answers the request for as long as it is open. @throws as `ask` */
  readonly listen: (request: OwnRequest) => Promise<UpstreamReply>;
}

export interface OwnCallsOptions {
  /** Longest silence. */
  readonly firstByteMs: number;
  /** A whole answer, however alive the server is meanwhile. */
  readonly answerMs: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function createOwnCalls(
  { client, pace }: { readonly client: UpstreamClient; readonly pace: Pace },
  options: OwnCallsOptions,
): OwnCalls {
  const { firstByteMs, answerMs } = options;
  let lastId = 0;

  function send(request: OwnRequest, id: string, isStream: boolean): Promise<UpstreamReply> {
    const { server, method, params, headers, session, abort } = request;
    const message = { jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) };
    return client.send(server, {
      body: encoder.encode(JSON.stringify(message)),
      headers,
      session,
      caller: "",
      // Opening a session twice leaves one behind.
      idempotent: method !== "initialize",
      isQuiet: isStream,
      firstMs: firstByteMs,
      silenceMs: isStream ? Infinity : firstByteMs,
      totalMs: isStream ? Infinity : answerMs,
      abort,
    });
  }

  return {
    async ask(request) {
      const id = `sallyport-${++lastId}`;
      const reply = await send(request, id, false);
      try {
        return await answerTo(reply, request, id, pace);
      } finally {
        reply.close();
      }
    },
    listen: (request) => send(request, `sallyport-${++lastId}`, true),
  };
}

async function answerTo(
  reply: UpstreamReply,
  request: OwnRequest,
  id: string,
  pace: Pace,
): Promise<OwnAnswer> {
  const { status } = reply;
  for (let bytes = await reply.next(); bytes !== undefined; bytes = await reply.next()) {
    // To gather several MiB took its time already, and so does walking through them.
    await pace();
    for (const message of messagesIn(bytes)) {
      const found = sortMembers(message, scanUpstream(message).members);
      if (found.method !== undefined) {
        if (found.id !== undefined) request.asked?.(message, found);
        continue;
      }
      checkResponse(message, found);
      if (!isAnswer(message, found, id, status)) throw broken("an answer to another request");
      const { result } = found;
      const code = found.error && codeOf(message, found.error);
      const owned = reply.isOwned ? message : message.slice();
      return { status, sessionId: reply.sessionId(), message: owned, result, code };
    }
  }
  throw endedWithoutAnswer(request.method);
}

/** The messages of a batch, which servers of revision 2025-03-26 may send. */
export function messagesIn(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes[0] !== 0x5b) return [bytes];
  if (!isUpstreamJson(bytes)) throw broken("malformed JSON");
  const elements = elementsOf(bytes, 0, LIMITS.batchMembers + 1);
  if (elements.length > LIMITS.batchMembers) throw broken("too many messages at once");
  return elements.map(({ start, end }) => bytes.slice(start, end));
}

/** An error whose status says that it can only mean this request may have no id. */
function isAnswer(message: Uint8Array, { id, error }: Found, wanted: string, status: number) {
  const isNull = id === undefined || message[id.start] === 0x6e;
  if (isNull) return error !== undefined && status >= 400;
  return isText(message, id, nameOf(wanted));
}

function codeOf(message: Uint8Array, error: Member): number {
  const value: unknown = JSON.parse(decoder.decode(message.subarray(error.start, error.end)));
  return isObject(value) && typeof value.code === "number" ? value.code : 0;
}

/** The result as a value. For those that are small; a list is read piece by piece. */
export function resultOf({ message, result }: OwnAnswer, method: string): JsonObject {
  if (result === undefined) throw new GatewayError("upstream_protocol", `No result of "${method}"`);
  const { start, end } = result;
  if (end - start > DESCRIPTION_BYTES) throw broken(`an answer to "${method}" that is too large`);
  const value: unknown = JSON.parse(decoder.decode(message.subarray(start, end)));
  if (!isObject(value)) throw broken("a result that is not an object");
  return value;
}

/** Capabilities, `serverInfo` and instructions, and as much again for all that is not known. */
const DESCRIPTION_BYTES = 6 * LIMITS.describedBytes;

/** The server answered with an error. */
export class OwnRefusal extends GatewayError {
  readonly rpcCode: number;

  constructor(method: string, rpcCode: number) {
    super("upstream_protocol", `The upstream server refused "${method}" with error ${rpcCode}`);
    this.rpcCode = rpcCode;
  }
}
