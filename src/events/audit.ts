/**
 * Audit: who did what to which, with what outcome.
 *
 * Contract; `audit_trail.ts` keeps records. The floors above say what happened and wait, where
 * nothing may happen without a record, until the record is kept.
 *
 * @module
 * @see security.md, AUD-01 to AUD-09; `docs/audit.md`
 */
export type AuditAction =
  | "auth.success"
  | "auth.failure"
  | "denied"
  | "call.start"
  | "call.end"
  | "admin.start"
  | "admin.end"
  | "admin.read"
  | "session.end"
  | "session.forged"
  | "audit.lost";

/** How something ended; absent where it has only begun. */
export type AuditOutcome = "ok" | "tool_error" | "error" | "cancelled" | "denied";

/** Text may be anybody's: it is escaped and cut where the line is made. */
export interface AuditRecord {
  readonly action: AuditAction;
  /** Correlation id of the request; of a member of a batch, with its number. */
  readonly id?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
  /** Of the error: a JSON-RPC code, or one of `ErrorCode`. */
  readonly code?: string | number | undefined;
  readonly subject?: string | undefined;
  /** See `CredentialKind`. */
  readonly kind?: string | undefined;
  /** Keyed hash of the token's id. */
  readonly token?: string | undefined;
  /** IP address of the client. */
  readonly address?: string | undefined;
  /** Of the protocol, or of the API with its path. */
  readonly method?: string | undefined;
  /** Name or URI as the client said it, or the id of the record. */
  readonly name?: string | undefined;
  readonly endpoint?: string | undefined;
  /** Slug of the server that is asked. */
  readonly upstream?: string | undefined;
  /** Keyed hash of the arguments. */
  readonly args?: string | undefined;
  /** What an administrator uses that is somebody else's private record. */
  readonly access?: "admin" | "hidden" | undefined;
  readonly ms?: number | undefined;
  /** Of the answer. */
  readonly bytes?: number | undefined;
  /** How many equal ones the line stands for. */
  readonly count?: number | undefined;
  /** More of these members as they stand in the line, made by `factsOf`. */
  readonly facts?: string | undefined;
}

export interface Auditor {
  /**
   * Resolves when the records are kept: written with all others of this turn of the event loop.
   * @throws {GatewayError} `unavailable` when that cannot be done: then nothing may be carried out
   */
  readonly keep: (...records: readonly AuditRecord[]) => Promise<unknown>;
  /**
   * Keeps what has happened: with the next write, within a moment at the latest. What is lost is
   * counted, logged, and recorded when records can be kept again.
   */
  readonly note: (record: AuditRecord) => void;
  /** Stands for a value that must not be written down; the same for equal ones. */
  readonly hashOf: (value: string | Uint8Array) => string;
}
