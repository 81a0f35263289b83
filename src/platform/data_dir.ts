/**
 * The data directory: what this installation keeps on its own disk.
 *
 * Keys are files that only the owner may read. Several processes may start at once on one
 * directory: whoever comes second takes what the first has written.
 *
 * @module
 */
import { randomText } from "./random.ts";

/** Makes the directory if needed. @throws {Error} naming the directory when that is impossible */
export async function openDataDir(dir: string): Promise<void> {
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Error(`The data directory "${dir}" cannot be made`, { cause });
  }
}

/** The secret of this name: 48 random bytes as base64url, made on first use. */
export async function loadOrCreateSecret(dir: string, name: string): Promise<string> {
  const path = `${dir}/${name}.key`;
  const made = randomText(48);
  if (await createFile(path, made)) return made;
  const found = (await Deno.readTextFile(path)).trim();
  if (found.length < 32) throw new Error(`The key file "${path}" is damaged: it is too short`);
  return found;
}

/** File of the catalog. SQLite puts a second one beside it. */
export function databaseFile(dir: string): string {
  return `${dir}/sallyport.db`;
}

/** File of the sessions and their events. SQLite puts a second one beside it. */
export function sessionsFile(dir: string): string {
  return `${dir}/sessions.db`;
}

/** Where the audit trail of this installation is written. */
export function auditFolder(dir: string): string {
  return `${dir}/audit`;
}

/** File of the audit records as they are read. SQLite puts a second one beside it. */
export function auditFile(dir: string): string {
  return `${dir}/audit.db`;
}

/** Makes the file if it is not there, and makes it and what lies beside it its owner's only. */
export async function makePrivate(path: string): Promise<void> {
  (await Deno.open(path, { create: true, append: true, mode: 0o600 })).close();
  for (const file of [path, `${path}-wal`]) {
    try {
      await Deno.chmod(file, 0o600);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Writes a file that does not exist yet, readable for its owner only; false when it does. */
async function createFile(path: string, text: string): Promise<boolean> {
  // Written aside and linked: a reader never sees half a key.
  const draft = `${path}.${randomText(6)}`;
  await Deno.writeTextFile(draft, text, { createNew: true, mode: 0o600 });
  try {
    await Deno.link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  } finally {
    await Deno.remove(draft);
  }
}
