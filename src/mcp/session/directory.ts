/**
 * Session directory: the record of a session that any replica can load.
 *
 * A record is an immutable base and one field per upstream server; values are sealed before they
 * come here. A field changes by compare-and-set on its generation, so that of two replicas that
 * open the same upstream session one wins and the other learns of it.
 *
 * `local_directory.ts` implements it for one replica; a Redis hash can (decision 0013).
 * `tests/contract/session_directory.ts` is what both have to pass.
 *
 * @module
 */

/** SHA-256 of the session id as base64url: nobody can use a key as an id. */
export type SessionKey = string;

export interface NewEntry {
  readonly key: SessionKey;
  /** Whom it counts for: keyed hash of the subject. */
  readonly owner: string;
  readonly base: Uint8Array;
  /** Wall clock: when it ends, used or not. */
  readonly endMs: number;
}

export interface Field {
  /** 1, 2, 3 … */
  readonly generation: number;
  readonly value: Uint8Array;
}

export interface Entry {
  readonly base: Uint8Array;
  /** By slug of the upstream server. */
  readonly fields: ReadonlyMap<string, Field>;
}

/** A live session as it is listed. */
export interface Listed {
  readonly key: SessionKey;
  readonly base: Uint8Array;
  /** Wall clock, about. */
  readonly usedMs: number;
}

export interface SessionDirectory {
  /** False, and nothing is kept, when the owner has `ownerMax` live sessions already. */
  readonly create: (entry: NewEntry, ownerMax: number) => Promise<boolean>;
  /** `undefined` when there is none, or when it has idled or lived too long. */
  readonly find: (key: SessionKey) => Promise<Entry | undefined>;
  /**
   * Sets the field to `value` if its generation is `generation` (0 for none), making it one more.
   * Gives the field that stands afterwards, which another replica may have written; `undefined`
   * when the session is gone.
   */
  readonly swap: (
    key: SessionKey,
    upstream: string,
    generation: number,
    value: Uint8Array,
  ) => Promise<Field | undefined>;
  /** Up to `max` live sessions by key, behind this one; empty begins. */
  readonly page: (after: SessionKey, max: number) => Promise<readonly Listed[]>;
  /** The session is in use: it idles from now. */
  readonly touch: (key: SessionKey) => Promise<void>;
  /** Whether there was one. */
  readonly remove: (key: SessionKey) => Promise<boolean>;
  /** Takes out up to `max` records that have idled or lived too long, for what else must end. */
  readonly takeExpired: (max: number) => Promise<readonly (readonly [SessionKey, Entry])[]>;
  readonly close: () => void;
}
