/**
 * `requestState` of calls that wait for their client: sealed, and good for the very same request
 * only.
 *
 * @module
 * @see security.md, SESS-16
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { callerOf } from "../../domain/principal.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import { INVALID_PARAMS, isObject, type JsonObject } from "../message.ts";
import type { UpstreamCall } from "../stateless_calls.ts";

/** What a request with answers goes on with. */
export interface RequestState {
  /** The parked call; `undefined` when the server is to be asked again. */
  readonly parked: string | undefined;
  /** On the wall clock. */
  readonly expiresMs: number;
}

export interface RequestStates {
  readonly seal: (call: UpstreamCall, state: RequestState) => string;
  /** @throws {ProtocolError} -32602, one and the same for whatever is wrong with it */
  readonly open: (call: UpstreamCall) => RequestState;
}

export function createRequestStates(
  { box, now }: { readonly box: SecretBox; readonly now: () => number },
): RequestStates {
  return {
    seal(call, state) {
      const plain = encoder.encode(JSON.stringify(state));
      return Buffer.from(box.seal(plain, ownerOf(call))).toString("base64url");
    },
    open(call) {
      const text = call.message.params?.requestState;
      if (typeof text !== "string" || !SHAPE.test(text)) throw badState();
      if (text.length > LIMITS.requestStateChars) throw badState();
      const sealed = Buffer.from(text, "base64url");
      // Of several spellings of the same bytes only the one that was given is good.
      if (sealed.toString("base64url") !== text) throw badState();
      const plain = box.open(sealed, ownerOf(call));
      if (plain === undefined) throw badState();
      const { parked, expiresMs } = JSON.parse(new TextDecoder().decode(plain));
      if (expiresMs <= now()) throw badState();
      return { parked, expiresMs };
    },
  };
}

/** @see contract.md, section 8, "Sessions" */
export function badState(): ProtocolError {
  return new ProtocolError(INVALID_PARAMS, 400, "Invalid or expired requestState");
}

/** Whose it is, and for which request: principal, endpoint, server, method and parameters. */
function ownerOf({ principal, endpoint, server, message }: UpstreamCall): string {
  const { _meta, inputResponses: _, requestState: _state, ...params } = message.params ?? {};
  const digest = createHash("sha256").update(canonical(params)).digest("base64url");
  const { kind, key } = endpoint;
  return JSON.stringify([callerOf(principal), kind, key, server.id, message.method, digest]);
}

/** The same for the same value, in whichever order its members stand. Depth is bounded. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const names = Object.keys(value as JsonObject).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}

const encoder = new TextEncoder();
const SHAPE = /^[A-Za-z0-9_-]+$/;
