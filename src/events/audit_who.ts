/**
 * What audit records say of a caller.
 *
 * @module
 */
import { subjectKey } from "../domain/account.ts";
import type { Credential } from "../domain/credential.ts";
import type { Principal } from "../domain/principal.ts";
import type { Audience } from "../domain/server.ts";
import type { Auditor, AuditRecord } from "./audit.ts";

export type Who = Pick<AuditRecord, "subject" | "kind" | "token">;

/** Remembered for each: credentials and principals are the same objects for as long as they live. */
export function createWho(hashOf: Auditor["hashOf"]): (caller: Principal | Credential) => Who {
  const known = new WeakMap<Principal | Credential, Who>();
  return (caller) => {
    const found = known.get(caller);
    if (found !== undefined) return found;
    const { subject, kind, tokenId } = caller;
    const who = { subject, kind, token: tokenId === undefined ? undefined : hashOf(tokenId) };
    known.set(caller, who);
    return who;
  };
}

/** Whether it is an administrator's right alone that shows this record to the caller. */
export function isAdminAccess({ isAdmin, subject }: Principal, record: Audience): boolean {
  return isAdmin && record.visibility === "private" &&
    (record.owner === undefined || subjectKey(record.owner) !== subjectKey(subject));
}
