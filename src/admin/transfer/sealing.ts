/**
 * The secrets of a bundle under a passphrase: AES-256-GCM with a key by scrypt.
 *
 * They are bound to all the rest of the bundle. Otherwise whoever can change the file could write
 * another address next to a credential, or an administrator's name next to a token, and have both
 * brought in by somebody who knows the passphrase.
 *
 * @module
 * @see security.md, SEC-06; RFC 7914
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes, scrypt } from "node:crypto";
import { FaultyRequest } from "../../domain/errors.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import type { Pace } from "../../platform/pace.ts";
import { createSecretBox } from "../../platform/secret_box.ts";
import { canonicalText } from "../../policy/guardrails/canonical.ts";
import { type Bundle, LISTS, type SealedSecrets } from "../api/bundle.ts";

/** By slug, name or id. */
export interface Secrets {
  readonly upstreams: Readonly<Record<string, Access>>;
  readonly tools: Readonly<Record<string, Access>>;
  /** Hashes of API tokens. */
  readonly tokens: Readonly<Record<string, string>>;
}

export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: UpstreamAuth;
}

export const PASSPHRASE_CHARS_MIN = 12;
export const PASSPHRASE_CHARS_MAX = 1024;

/** 64 MiB and most of a second for each guess. */
const COST = { N: 2 ** 16, r: 8, p: 1 } as const;
/** What a bundle may ask for. */
const COST_MIN = { N: 2 ** 15, r: 8, p: 1 };
const COST_MAX = { N: 2 ** 17, r: 8, p: 4 };
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const PURPOSE = "bundle";

export interface Sealing {
  readonly seal: (secrets: Secrets, bundle: Bundle, passphrase: string) => Promise<SealedSecrets>;
  /** @throws {FaultyRequest} */
  readonly open: (bundle: Bundle, passphrase: string) => Promise<Secrets>;
}

export function createSealing({ pace }: { readonly pace: Pace }): Sealing {
  // One at a time: each takes much memory.
  let last: Promise<unknown> = Promise.resolve();

  function keyFrom(passphrase: string, cost: SealedSecrets): Promise<string> {
    const next = last.then(() => derived(passphrase, cost));
    last = next.catch(() => {});
    return next;
  }

  return {
    async seal(secrets, bundle, passphrase) {
      const salt = randomBytes(SALT_BYTES).toString("base64");
      const cost = { kdf: "scrypt", ...COST, salt, sealed: "" } as const;
      const box = createSecretBox(await keyFrom(passphrase, cost), PURPOSE);
      const plain = Buffer.from(JSON.stringify(secrets));
      const sealed = box.seal(plain, await digestOf(bundle, cost, pace));
      return { ...cost, sealed: Buffer.from(sealed).toString("base64") };
    },
    async open(bundle, passphrase) {
      const { secrets } = bundle;
      if (secrets === undefined) throw refused("there is no secret in this bundle to open");
      checkCost(secrets);
      const box = createSecretBox(await keyFrom(passphrase, secrets), PURPOSE);
      const belongsTo = await digestOf(bundle, secrets, pace);
      const plain = box.open(Buffer.from(secrets.sealed, "base64"), belongsTo);
      if (plain === undefined) throw refused(WRONG);
      return JSON.parse(Buffer.from(plain).toString());
    },
  };
}

const WRONG = "does not open the secrets of this bundle, or the bundle was changed after it was " +
  "exported";

function refused(message: string): FaultyRequest {
  return new FaultyRequest("invalid_request", `The passphrase ${message}`, [
    { path: "passphrase", message },
  ]);
}

/** @throws {FaultyRequest} */
function checkCost({ N, r, p }: SealedSecrets): void {
  const isPower = Number.isInteger(Math.log2(N));
  const isWithin = (value: number, name: "N" | "r" | "p") =>
    Number.isInteger(value) && value >= COST_MIN[name] && value <= COST_MAX[name];
  if (isPower && isWithin(N, "N") && isWithin(r, "r") && isWithin(p, "p")) return;
  throw new FaultyRequest("invalid_request", "The secrets are sealed in a way that is not known", [
    { path: "document.secrets", message: "asks for another cost of scrypt than exports have" },
  ]);
}

function derived(passphrase: string, { N, r, p, salt }: SealedSecrets): Promise<string> {
  const memory = 128 * N * r * p + 2 ** 20;
  return new Promise((resolve, reject) => {
    scrypt(
      // One spelling of what looks the same on another keyboard.
      passphrase.normalize("NFC"),
      Buffer.from(salt, "base64"),
      KEY_BYTES,
      { N, r, p, maxmem: memory },
      (error, key) => error === null ? resolve(key.toString("base64")) : reject(error),
    );
  });
}

/** Of all but the sealed text, whatever the order of members and the space between them. */
async function digestOf(bundle: Bundle, cost: SealedSecrets, pace: Pace): Promise<string> {
  const hash = createHash("sha256");
  const { secrets: _, ...rest } = bundle;
  const { sealed: _sealed, ...asked } = cost;
  hash.update(canonicalText(asked));
  for (const [name, value] of Object.entries(rest).sort(([a], [b]) => a < b ? -1 : 1)) {
    const isList = (LISTS as readonly string[]).includes(name);
    hash.update(`\n${name}`);
    for (const entry of isList ? value as readonly unknown[] : [value]) {
      hash.update(`\n\t${canonicalText(entry)}`);
      await pace();
    }
  }
  return hash.digest("base64url");
}
