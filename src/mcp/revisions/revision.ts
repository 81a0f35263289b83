/**
 * The protocol revisions, and which era each belongs to.
 *
 * @module
 */
export type Revision = string;

/** Newest first. The only revision of the stateless era so far. */
export const STATELESS_REVISIONS: readonly Revision[] = ["2026-07-28"];

/** What the gateway serves now; `server/discover` and -32022 name exactly these. */
export const SERVED_REVISIONS: readonly Revision[] = STATELESS_REVISIONS;

export function isStateless(revision: Revision): boolean {
  return STATELESS_REVISIONS.includes(revision);
}
