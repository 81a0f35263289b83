/**
 * The gateway's own keys, read from what the operator gives.
 *
 * @module
 */
import { CompactSign, compactVerify, importPKCS8, importSPKI } from "jose";
import type { JwtAlgorithm } from "./algorithms.ts";
import type { GatewayKeys } from "./issuers.ts";

/** One key for both directions. */
export function secretKeys(secret: string): GatewayKeys {
  const key = new TextEncoder().encode(secret);
  return { verify: key, sign: key };
}

/** @throws {Error} saying what is wanted; what was given is not repeated */
export async function readPublicKey(pem: string, algorithm: JwtAlgorithm): Promise<CryptoKey> {
  try {
    return checked(await importSPKI(pem.trim(), algorithm));
  } catch (cause) {
    throw new Error(`must name a public key for ${algorithm} in PEM form (BEGIN PUBLIC KEY)`, {
      cause,
    });
  }
}

/** @throws {Error} saying what is wanted; what was given is not repeated */
export async function readPrivateKey(pem: string, algorithm: JwtAlgorithm): Promise<CryptoKey> {
  try {
    return checked(await importPKCS8(pem.trim(), algorithm));
  } catch (cause) {
    throw new Error(
      `must name a private key for ${algorithm} in PEM form, not encrypted (BEGIN PRIVATE KEY)`,
      { cause },
    );
  }
}

/** RFC 7518, sections 3.3 and 3.5: 2048 bits or more. */
const RSA_BITS_MIN = 2048;

function checked(key: CryptoKey): CryptoKey {
  const { modulusLength } = key.algorithm as { readonly modulusLength?: number };
  if (modulusLength !== undefined && modulusLength < RSA_BITS_MIN) throw new Error("Too short");
  return key;
}

/** Whether one verifies what the other has signed. */
export async function isPair(
  sign: CryptoKey,
  verify: CryptoKey,
  algorithm: JwtAlgorithm,
): Promise<boolean> {
  const signed = await new CompactSign(new Uint8Array(1)).setProtectedHeader({ alg: algorithm })
    .sign(sign);
  return await compactVerify(signed, verify).then(() => true, () => false);
}
