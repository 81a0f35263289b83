/**
 * The protocol revisions, and which era each belongs to.
 *
 * @module
 */
export type Revision = string;

/** Newest first. The only revision of the stateless era so far. */
export const STATELESS_REVISIONS: readonly Revision[] = ["2026-07-28"];

/** Newest first: those with `initialize` and sessions. Dates compare as texts. */
export const SESSION_REVISIONS: readonly Revision[] = [
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
  "2024-11-05",
];

/** What is answered to a client that asks for a revision that nobody knows. */
export const NEWEST_SESSION_REVISION: Revision = SESSION_REVISIONS[0]!;

/** The only revision with batches. */
export const BATCH_REVISION: Revision = "2025-03-26";

/** The first revision with streams that begin with an empty event, to be resumed from. */
export const PRIMING_REVISION: Revision = "2025-11-25";

export function isStateless(revision: Revision): boolean {
  return STATELESS_REVISIONS.includes(revision);
}

export function isOfSessionEra(revision: Revision): boolean {
  return SESSION_REVISIONS.includes(revision);
}
