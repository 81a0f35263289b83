/**
 * Audit of who came in and who did not: the first use of every credential, and all refusals.
 *
 * @module
 * @see security.md, AUD-01
 */
import type { Credential } from "../domain/credential.ts";
import { type ErrorCode, GatewayError } from "../domain/errors.ts";
import type { Auditor } from "../events/audit.ts";
import { createThinning } from "../events/audit_thinning.ts";
import { createWho } from "../events/audit_who.ts";
import { targetOf } from "../mcp/call_audit.ts";
import type { ClientMessage } from "../mcp/message.ts";
import type { Timers } from "../platform/timers.ts";
import type { RequestHead } from "./request_head.ts";

/** A request, as far as it is known. */
export interface Access {
  readonly head: RequestHead;
  readonly correlationId: string;
  /** IP address of the client. */
  readonly address: () => string;
  readonly credential: Credential | undefined;
}

export interface AccessAudit {
  /** With every request: a credential is the same object for as long as it is remembered. */
  readonly authenticated: (access: Access, credential: Credential) => void;
  /** @param message that the request carries, where it was read */
  readonly refused: (access: Access, error: unknown, message: ClientMessage | undefined) => void;
}

const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "unauthenticated",
  "forbidden",
  "not_found",
  "rate_limited",
  "refused",
  "egress_denied",
]);

export function createAccessAudit(
  { note, hashOf }: Auditor,
  timers: Timers,
): AccessAudit {
  const seen = new WeakSet<Credential>();
  const thinned = createThinning(note, timers);
  const whoOf = createWho(hashOf);

  return {
    authenticated({ head, correlationId, address }, credential) {
      if (seen.has(credential) || credential.kind === "anonymous") return;
      seen.add(credential);
      note({
        action: "auth.success",
        id: correlationId,
        outcome: "ok",
        address: address(),
        endpoint: head.path,
        facts: whoOf(credential),
      });
    },
    refused({ head, correlationId, address, credential }, error, message) {
      if (!(error instanceof GatewayError) || !REFUSALS.has(error.code)) return;
      // What is not there for somebody unknown says nothing of anybody.
      if (error.code === "not_found" && credential === undefined) return;
      thinned({
        action: error.code === "unauthenticated" ? "auth.failure" : "denied",
        id: correlationId,
        outcome: "denied",
        code: error.code,
        address: address(),
        method: message?.method || head.method,
        name: message && targetOf(message),
        endpoint: head.path,
        facts: credential && whoOf(credential),
      });
    },
  };
}
