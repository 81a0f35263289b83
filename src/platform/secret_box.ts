/**
 * Seals what is stored or handed out, so that only this installation can read and make it.
 *
 * AES-256-GCM with a key per purpose, derived once from `AUTH_ENCRYPTION_SECRET` (RFC 5869). What a
 * value belongs to is its associated data: moved elsewhere it does not open.
 *
 * @module
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomFillSync,
} from "node:crypto";

export interface SecretBox {
  /** @param belongsTo has to be said again to open it */
  readonly seal: (plain: Uint8Array, belongsTo: string) => Uint8Array;
  /** The same, giving the same each time: for what is compared or shown again. */
  readonly sealAlike: (plain: Uint8Array, belongsTo: string) => Uint8Array;
  /** `undefined` for whatever was not sealed here for this. */
  readonly open: (sealed: Uint8Array, belongsTo: string) => Uint8Array | undefined;
  /** A key for something else than sealing, of the same purpose. 32 bytes. */
  readonly key: Uint8Array;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** What sealing adds to a value. */
export const SEAL_BYTES = NONCE_BYTES + TAG_BYTES;

/** @param purpose what the keys are for; boxes of other purposes open nothing of this one */
export function createSecretBox(secret: string, purpose: string): SecretBox {
  const sealing = derived(secret, `sallyport seal ${purpose}`);
  const alike = derived(secret, `sallyport nonce ${purpose}`);

  function sealWith(nonce: Uint8Array, plain: Uint8Array, belongsTo: string): Uint8Array {
    const sealed = new Uint8Array(NONCE_BYTES + plain.length + TAG_BYTES);
    sealed.set(nonce);
    const cipher = createCipheriv("aes-256-gcm", sealing, nonce);
    cipher.setAAD(encoder.encode(belongsTo));
    sealed.set(cipher.update(plain), NONCE_BYTES);
    cipher.final();
    sealed.set(cipher.getAuthTag(), NONCE_BYTES + plain.length);
    return sealed;
  }

  return {
    seal: (plain, belongsTo) =>
      sealWith(randomFillSync(new Uint8Array(NONCE_BYTES)), plain, belongsTo),
    sealAlike(plain, belongsTo) {
      // A nonce that depends on all of it is used again only for the very same (as in RFC 5297).
      const mac = createHmac("sha256", alike).update(`${belongsTo.length} ${belongsTo}`).update(
        plain,
      );
      return sealWith(mac.digest().subarray(0, NONCE_BYTES), plain, belongsTo);
    },
    open(sealed, belongsTo) {
      if (sealed.length < SEAL_BYTES) return undefined;
      const end = sealed.length - TAG_BYTES;
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv("aes-256-gcm", sealing, nonce);
      decipher.setAAD(encoder.encode(belongsTo));
      decipher.setAuthTag(sealed.subarray(end));
      try {
        const plain = decipher.update(sealed.subarray(NONCE_BYTES, end));
        decipher.final();
        return plain;
      } catch {
        return undefined;
      }
    },
    key: derived(secret, `sallyport key ${purpose}`),
  };
}

const encoder = new TextEncoder();

function derived(secret: string, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "", info, KEY_BYTES));
}
