/**
 * The keys of the gateway's own tokens: a secret, given or generated, or a pair in PEM files.
 *
 * @module
 */
import { isAsymmetric } from "../auth/algorithms.ts";
import { isPair, readPrivateKey, readPublicKey, secretKeys } from "../auth/gateway_keys.ts";
import type { GatewayKeys } from "../auth/issuers.ts";
import { type Config, ConfigError } from "../config/load.ts";
import { loadOrCreateSecret } from "../platform/data_dir.ts";

/** @throws {ConfigError} naming the setting whose file cannot be used */
export async function loadGatewayKeys(config: Config): Promise<GatewayKeys> {
  const { jwtAlgorithm: algorithm, jwtPublicKeyPath, jwtPrivateKeyPath } = config;
  if (!isAsymmetric(algorithm)) {
    return secretKeys(config.jwtSecretKey ?? await loadOrCreateSecret(config.dataDir, "jwt"));
  }
  const verify = await readKey(
    "JWT_PUBLIC_KEY_PATH",
    // Loading the configuration has made sure of it.
    jwtPublicKeyPath!,
    (pem) => readPublicKey(pem, algorithm),
  );
  if (jwtPrivateKeyPath === undefined) return { verify, sign: undefined };
  const sign = await readKey(
    "JWT_PRIVATE_KEY_PATH",
    jwtPrivateKeyPath,
    (pem) => readPrivateKey(pem, algorithm),
  );
  if (!await isPair(sign, verify, algorithm)) {
    throw new ConfigError([
      "JWT_PRIVATE_KEY_PATH is not the other half of what JWT_PUBLIC_KEY_PATH names",
    ]);
  }
  return { verify, sign };
}

async function readKey(
  setting: string,
  path: string,
  read: (pem: string) => Promise<CryptoKey>,
): Promise<CryptoKey> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(path);
  } catch (error) {
    throw new ConfigError([`${setting} "${path}" cannot be read: ${(error as Error).message}`]);
  }
  try {
    return await read(pem);
  } catch (error) {
    throw new ConfigError([`${setting} ${(error as Error).message}`]);
  }
}
