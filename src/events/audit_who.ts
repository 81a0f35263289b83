/**
 * What audit records say of a caller.
 *
 * @module
 */
import { subjectKey } from "../domain/account.ts";
import type { Credential } from "../domain/credential.ts";
import type { Principal } from "../domain/principal.ts";
import type { Audience } from "../domain/server.ts";
import type { Auditor } from "./audit.ts";
import { factsOf } from "./audit_line.ts";

/**
 * Gives the facts of a caller: subject, kind of credential, hash of the token's id. Remembered for
 * each: credentials and principals are the same objects for as long as they live.
 */
export function createWho(hashOf: Auditor["hashOf"]): (caller: Principal | Credential) => string {
  const known = new WeakMap<Principal | Credential, string>();
  return (caller) => {
    let found = known.get(caller);
    if (found === undefined) {
      const { subject, kind, tokenId } = caller;
      const token = tokenId === undefined ? undefined : hashOf(tokenId);
      known.set(caller, found = factsOf({ subject, kind, token }));
    }
    return found;
  };
}

/** Whether it is an administrator's right alone that shows this record to the caller. */
export function isAdminAccess({ isAdmin, subject }: Principal, record: Audience): boolean {
  return isAdmin && record.visibility === "private" &&
    (record.owner === undefined || subjectKey(record.owner) !== subjectKey(subject));
}
