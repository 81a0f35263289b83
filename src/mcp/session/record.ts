/**
 * Session records as they lie in the directory: sealed, each value for its place, so that whoever
 * can write there can neither read nor make nor move one.
 *
 * @module
 * @see security.md, SESS-12
 */
import { createHmac } from "node:crypto";
import type { SecretBox } from "../../platform/secret_box.ts";
import { isObject } from "../message.ts";
import type { Entry, SessionKey } from "./directory.ts";
import { newSession, type Session, type SessionBase, type UpstreamState } from "./session.ts";

export interface Records {
  readonly ownerOf: (subject: string) => string;
  readonly sealBase: (key: SessionKey, base: SessionBase) => Uint8Array;
  readonly sealField: (key: SessionKey, server: string, state: UpstreamState) => Uint8Array;
  /** The base alone. `undefined` when it was not written by this gateway. */
  readonly readBase: (key: SessionKey, sealed: Uint8Array) => SessionBase | undefined;
  /** `undefined` when the record was not written by this gateway. */
  readonly read: (key: SessionKey, entry: Entry) => Session | undefined;
  /** Takes over what has changed; false when some of it was not written by this gateway. */
  readonly update: (session: Session, entry: Pick<Entry, "fields">) => boolean;
}

export function createRecords(box: SecretBox): Records {
  function update(session: Session, { fields }: Pick<Entry, "fields">): boolean {
    for (const [server, { generation, value }] of fields) {
      if (session.upstreams.get(server)?.generation === generation) continue;
      const state = box.open(value, fieldName(session.key, server));
      if (state === undefined) return false;
      session.upstreams.set(server, { generation, state: decoded<UpstreamState>(state) });
    }
    return true;
  }

  function readBase(key: SessionKey, sealed: Uint8Array): SessionBase | undefined {
    const base = box.open(sealed, key);
    return base && decoded<SessionBase>(base);
  }

  return {
    ownerOf: (subject) => createHmac("sha256", box.key).update(subject).digest("base64url"),
    sealBase: (key, base) => box.seal(encoded(base), key),
    sealField: (key, server, state) => box.seal(encoded(state), fieldName(key, server)),
    readBase,
    read(key, entry) {
      const base = readBase(key, entry.base);
      if (base === undefined) return undefined;
      const session = newSession(key, base);
      update(session, entry);
      return session;
    },
    update,
  };
}

function fieldName(key: SessionKey, server: string): string {
  return `${key}/${server}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function encoded(state: SessionBase | UpstreamState): Uint8Array {
  return encoder.encode(JSON.stringify(state));
}

/** @throws {Error} for what `encoded` did not write; it was sealed, so nobody else did */
function decoded<T extends SessionBase | UpstreamState>(bytes: Uint8Array): T {
  const state: unknown = JSON.parse(decoder.decode(bytes));
  if (!isObject(state)) throw new Error("A session record is damaged");
  return state as unknown as T;
}
