/**
 * What a database refused, as far as that decides what happens next.
 *
 * `taken`: a key is not unique. `again`: given up in favour of another transaction, and the same
 * will work later. `outdated`: what was prepared on a connection is for tables that have changed
 * since; on a new one the same will work. `stale`: what is connected to is not, or not any more, the server that answers
 * and writes; all connections are made anew. `refused`: a mistake in what the operator has set, that
 * time does not mend. `broken`: everything else that is not a mistake of ours.
 *
 * @module
 */
export type Fault = "taken" | "again" | "outdated" | "stale" | "refused" | "broken";

/** Not made, lost, or not to be had: what no answer of a server says. */
export class ConnectionFailure extends Error {
  override readonly name: string = "ConnectionFailure";
}

/** Nobody knows of the other connections either. */
export class Silence extends ConnectionFailure {
  override readonly name = "Silence";
}
