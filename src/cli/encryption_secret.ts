/**
 * `AUTH_ENCRYPTION_SECRET`, given or generated.
 *
 * @module
 */
import type { Config } from "../config/load.ts";
import { loadOrCreateSecret, openDataDir } from "../platform/data_dir.ts";

export async function encryptionSecretOf({ encryptionSecret, dataDir }: Config): Promise<string> {
  if (encryptionSecret !== undefined) return encryptionSecret;
  await openDataDir(dataDir);
  return await loadOrCreateSecret(dataDir, "encryption");
}
