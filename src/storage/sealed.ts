/**
 * Secrets in the database: sealed, bound to their place, opened with the key of the moment or the
 * one before it.
 *
 * A sealed value is `s1.<key version>.<base64url>`. What it belongs to is table, row, field and key
 * version: copied to another row or field it does not open. The key version is made from the key,
 * so that replicas agree on it without counting.
 *
 * @module
 * @see security.md, SEC-03
 */
import { Buffer } from "node:buffer";
import { createSecretBox, type SecretBox } from "../platform/secret_box.ts";

/** Where a secret is kept. */
export interface SealedPlace {
  readonly table: string;
  readonly row: string;
  readonly field: string;
}

export interface Keyring {
  /** Always with the current key. */
  readonly seal: (plain: string, place: SealedPlace) => string;
  /** `undefined` for what neither key opens here. */
  readonly open: (sealed: string, place: SealedPlace) => string | undefined;
  /** Whether it says that the current key has sealed it. */
  readonly isCurrent: (sealed: string) => boolean;
}

interface Key {
  readonly version: string;
  readonly box: SecretBox;
}

const FORM = /^s1\.([0-9a-f]{16})\.([A-Za-z0-9_-]+)$/;
const VERSION_BYTES = 8;

/**
 * @param current `AUTH_ENCRYPTION_SECRET`
 * @param previous `AUTH_ENCRYPTION_SECRET_PREVIOUS`: opens what is not sealed anew yet
 */
export function createKeyring(current: string, previous: string | undefined): Keyring {
  const key = createKey(current);
  const keys = [key, ...(previous === undefined ? [] : [createKey(previous)])];

  return {
    seal(plain, place) {
      const sealed = key.box.seal(Buffer.from(plain), belongsTo(place, key.version));
      return `s1.${key.version}.${Buffer.from(sealed).toString("base64url")}`;
    },
    open(sealed, place) {
      const [, version, text] = FORM.exec(sealed) ?? [];
      const found = keys.find((one) => one.version === version);
      if (found === undefined || text === undefined) return undefined;
      const bytes = Buffer.from(text, "base64url");
      const plain = found.box.open(bytes, belongsTo(place, found.version));
      return plain && Buffer.from(plain).toString();
    },
    isCurrent: (sealed) => FORM.exec(sealed)?.[1] === key.version,
  };
}

function createKey(secret: string): Key {
  const box = createSecretBox(secret, "storage");
  // Derived, of no other use: it tells keys apart and nothing about them.
  return { box, version: Buffer.from(box.key.subarray(0, VERSION_BYTES)).toString("hex") };
}

/** As JSON, so that no two places are the same text. */
function belongsTo({ table, row, field }: SealedPlace, version: string): string {
  return JSON.stringify([table, row, field, version]);
}
