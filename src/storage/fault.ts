/**
 * What a database refused, as far as that decides what happens next.
 *
 * `taken`: a key is not unique. `again`: given up in favour of another transaction, and the same
 * will work later. `broken`: everything else that is not a mistake of ours.
 *
 * @module
 */
export type Fault = "taken" | "again" | "broken";
