/**
 * `sallyport audit verify`: whether the audit trail is what was written.
 *
 * @module
 */
import { auditKeys } from "../events/audit_chain.ts";
import { type AuditBreak, type AuditVerdict, verifyAudit } from "../events/audit_verify.ts";
import { auditFolder } from "../platform/data_dir.ts";
import { type Folder, openFolder } from "../platform/folder.ts";
import { configFrom, parseOptions, UsageError } from "./args.ts";
import { encryptionSecretOf } from "./encryption_secret.ts";

export async function audit(args: readonly string[]): Promise<number> {
  const [action, ...options] = args;
  if (action !== "verify") throw new UsageError('"audit" is followed by "verify"');
  const config = configFrom(parseOptions(options, {}));
  const folder = openFolder(auditFolder(config.dataDir));
  if (folder.list().length === 0) throw new Error(`There is no audit trail in "${folder.path}"`);
  const secret = await encryptionSecretOf(config);
  const keys = auditKeys(secret, config.encryptionSecretPrevious);
  const verdict = await verified(folder, keys);
  if (!verdict.isWhole) {
    throw new Error(`The audit trail is broken: ${shown(folder, verdict.break)}`);
  }
  console.log(`The audit trail is whole: ${verdict.records} records in ${verdict.files} files`);
  return 0;
}

const AGAIN_MS = 300;

/** A gateway that runs may write while it is read: what is broken stays so. */
async function verified(folder: Folder, keys: readonly Uint8Array[]): Promise<AuditVerdict> {
  const verdict = verifyAudit(folder, keys);
  if (verdict.isWhole) return verdict;
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  return verifyAudit(folder, keys);
}

function shown({ path }: Folder, { file, line, reason }: AuditBreak): string {
  return line === undefined
    ? `${path}/${file} ${reason}`
    : `${path}/${file}, line ${line} ${reason}`;
}
