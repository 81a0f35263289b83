/**
 * Event ids: what a client sends back to resume a stream, and nobody else can make.
 *
 * `<token>.<seq>.<tag>`: the stream's id sealed for its session, the number of the event, and 64
 * bits that only the gateway can compute from the two. A token is sealed once per stream and tags
 * are made for 64 numbers at a time, because an id is made for every event.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */
import { Buffer } from "node:buffer";
import { createCipheriv, timingSafeEqual } from "node:crypto";
import type { StreamId } from "../../events/store.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import type { SessionKey } from "./directory.ts";

export interface EventIds {
  /** Gives the ids of one stream's events by their numbers. 0 stands before the first event. */
  readonly ofStream: (session: SessionKey, stream: StreamId) => (seq: number) => string;
  /** `undefined` for what was not made here for this session. */
  readonly parse: (
    session: SessionKey,
    id: string,
  ) => { readonly stream: StreamId; readonly seq: number } | undefined;
}

const TAG_BYTES = 8;
const TAGS_AT_ONCE = 64;
const AES_BLOCK_BYTES = 16;
const BLOCKS_AT_ONCE = TAGS_AT_ONCE * TAG_BYTES / AES_BLOCK_BYTES;
const ZEROS = new Uint8Array(TAGS_AT_ONCE * TAG_BYTES);

const SHAPE = /^([A-Za-z0-9_-]{40,80})\.(0|[1-9]\d{0,9})\.([A-Za-z0-9_-]{11})$/;

export function createEventIds(box: SecretBox): EventIds {
  /** The tags of 64 numbers: key stream of AES-CTR, at a place that belongs to stream and number. */
  function tags(stream: Uint8Array, group: number): Buffer {
    const place = new Uint8Array(AES_BLOCK_BYTES);
    place.set(stream);
    new DataView(place.buffer).setUint32(AES_BLOCK_BYTES - 4, group * BLOCKS_AT_ONCE);
    const cipher = createCipheriv("aes-256-ctr", box.key, place);
    const made = cipher.update(ZEROS);
    // There is nothing left to come; without it the runtime never frees the cipher.
    cipher.final();
    return made;
  }

  return {
    ofStream(session, stream) {
      const bytes = Buffer.from(stream, "base64url");
      let token: string | undefined;
      let group = -1;
      let made: Buffer;
      return (seq) => {
        // An event has one id for ever, on whichever connection it is seen.
        token ??= Buffer.from(box.sealAlike(bytes, session)).toString("base64url");
        const wanted = Math.floor(seq / TAGS_AT_ONCE);
        if (wanted !== group) made = tags(bytes, group = wanted);
        const at = (seq % TAGS_AT_ONCE) * TAG_BYTES;
        return `${token}.${seq}.${made.toString("base64url", at, at + TAG_BYTES)}`;
      };
    },
    parse(session, id) {
      const [, token, seqText, tag] = SHAPE.exec(id) ?? [];
      if (token === undefined) return undefined;
      const stream = box.open(Buffer.from(token, "base64url"), session);
      const seq = Number(seqText);
      if (stream?.length !== STREAM_BYTES || seq >= SEQ_MAX) return undefined;
      const at = (seq % TAGS_AT_ONCE) * TAG_BYTES;
      const expected = tags(stream, Math.floor(seq / TAGS_AT_ONCE))
        .toString("base64url", at, at + TAG_BYTES);
      // Compared as text: the last character of base64 has bits that decoding ignores.
      if (!timingSafeEqual(Buffer.from(tag!), Buffer.from(expected))) return undefined;
      const isCanonical = Buffer.from(token, "base64url").toString("base64url") === token;
      return isCanonical ? { stream: Buffer.from(stream).toString("base64url"), seq } : undefined;
    },
  };
}

/** Of a `StreamId`. */
export const STREAM_BYTES = 12;
/** The place in the key stream has 32 bits. */
const SEQ_MAX = (2 ** 32 / BLOCKS_AT_ONCE) * TAGS_AT_ONCE;
