/**
 * What all changes of the catalog by people have in common: who may, whether the record is still
 * the one that they have seen, and what happens when two write at once.
 *
 * @module
 */
import { mayManage, mayManageItem, type Offered } from "../domain/access.ts";
import { subjectKey } from "../domain/account.ts";
import { FaultyRequest, GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { type Audience, isSlug, slugOf } from "../domain/server.ts";
import type { Timers } from "../platform/timers.ts";

/** Whether the version that is there is one that the caller has seen. */
export type Precondition = (version: string) => boolean;

/** Tells the versions of a record apart, and those of another that has its name later. */
export function versionOf({ id, revision }: { readonly id: string; readonly revision: number }) {
  return `${encodeURIComponent(id)}.${revision}`;
}

/** @throws {GatewayError} `precondition_failed` */
export function checkVersion(
  isExpected: Precondition,
  record: { readonly id: string; readonly revision: number },
): void {
  if (isExpected(versionOf(record))) return;
  throw new GatewayError(
    "precondition_failed",
    "The record has changed since it was read: read it again",
  );
}

/** @throws {GatewayError} `declared` */
export function checkUndeclared({ declared }: { readonly declared: boolean }): void {
  if (!declared) return;
  throw new GatewayError("declared", "The config file declares this record: change it there");
}

/** An item of this kind must not have this name, or URI. */
export function nameTaken(member: "name" | "uri" | "uriTemplate", name: string): FaultyRequest {
  const what = member === "name" ? "name" : "URI";
  return new FaultyRequest("conflict", `The ${what} "${name}" is taken`, [
    { path: member, message: `another item has this ${what}` },
  ]);
}

/** One answer for "absent" and "not yours". */
export function notFound(what: string): GatewayError {
  return new GatewayError("not_found", `There is no such ${what}`);
}

/**
 * @throws {FaultyRequest} when the audience is not complete
 * @throws {GatewayError} `forbidden` when the caller may not make something for these
 */
export function checkAudience(principal: Principal, audience: Audience): void {
  const { visibility, team, owner } = audience;
  const path = visibility === "team" ? "teamId" : "owner";
  const isComplete = visibility === "public" || (path === "owner" ? owner : team) !== undefined;
  if (!isComplete) {
    throw new FaultyRequest("invalid_request", "The record is not complete", [
      { path, message: `is needed with the visibility "${visibility}"` },
    ]);
  }
  if (mayManage(principal, audience)) return;
  const text = visibility === "public"
    ? "Only administrators make something public"
    : visibility === "team"
    ? "Only owners of the team, and administrators, make something for the whole team"
    : "Only administrators make something for others";
  throw new GatewayError("forbidden", text);
}

/** Before anything is said about it. */
export const NOBODY: Audience = { visibility: "private", team: undefined, owner: undefined };

/** Only administrators give records to others. @throws {GatewayError} `forbidden` */
export function checkOwner(principal: Principal, before: Audience, after: Audience): void {
  const { owner } = after;
  if (principal.isAdmin || owner === undefined || owner === before.owner) return;
  if (subjectKey(owner) === subjectKey(principal.subject)) return;
  throw new GatewayError("forbidden", "Only administrators give a record to somebody else");
}

/** Of a record that the principal may see. @throws {GatewayError} `forbidden` */
export function checkManaged(principal: Principal, audience: Audience): void {
  if (!mayManage(principal, audience)) throw notManaged();
}

/** The same for an item. @throws {GatewayError} `forbidden` */
export function checkManagedItem(principal: Principal, offered: Offered): void {
  if (!mayManageItem(principal, offered)) throw notManaged();
}

function notManaged(): GatewayError {
  return new GatewayError("forbidden", "You may use this record, and not change it");
}

/** Of those who write one record at once, each round lets one through. */
const ATTEMPTS_MAX = 50;

/**
 * Reads, decides and writes again when somebody else has written in between; what may not be
 * overwritten is found out then by the precondition.
 * @throws {GatewayError} `conflict` when it never works out, and whatever `attempt` throws
 */
export async function untilWritten<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = ATTEMPTS_MAX; left > 1; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  return await attempt();
}

/** A conflict without places is the database's: the row is not what was read. */
export function isConflict(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "conflict" &&
    !(error instanceof FaultyRequest);
}

/** @throws {FaultyRequest} */
export function slugFor(name: string): string {
  const slug = slugOf(name);
  if (isSlug(slug)) return slug;
  throw new FaultyRequest("invalid_request", "The name cannot stand in a URL", [
    { path: "name", message: "needs letters or digits, at most 128" },
  ]);
}

export function slugTaken(slug: string): GatewayError {
  return new GatewayError("conflict", `The slug "${slug}" is taken by another server`);
}

/** Waits for it to end, well or not, for so long at most. */
export async function within(timers: Timers, ms: number, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = timers.after(ms, resolve);
    const over = () => {
      timer.cancel();
      resolve();
    };
    work.then(over, over);
  });
}
