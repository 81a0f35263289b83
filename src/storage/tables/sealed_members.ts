/**
 * Records with secrets as they are kept: JSON in which the values of headers, and all of `auth`, are
 * sealed.
 *
 * @module
 */
import type { UpstreamAuth } from "../../domain/server.ts";
import type { Keyring, SealedPlace } from "../sealed.ts";

/** What is presented to a server, among other members. */
export interface Secretive {
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: UpstreamAuth;
}

/** What the JSON holds. Absent members are undefined ones. */
interface Kept {
  /** Sealed values by name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sealed JSON; absent for none. */
  readonly auth?: string | undefined;
}

/** The row that a record is kept in. */
export type RowPlace = Omit<SealedPlace, "field">;

const AUTH = "auth";

function headerField(name: string): string {
  return `headers.${name}`;
}

export function sealMembers(keyring: Keyring, at: RowPlace, record: Secretive): string {
  const { headers, auth, ...plain } = record;
  const seal = (text: string, field: string) => keyring.seal(text, { ...at, field });
  const sealed = Object.entries(headers).map(([name, value]) =>
    [name, seal(value, headerField(name))] as const
  );
  const kept: Kept = {
    ...plain,
    headers: Object.fromEntries(sealed),
    ...(auth.type !== "none" && { auth: seal(JSON.stringify(auth), AUTH) }),
  };
  return JSON.stringify(kept);
}

/** @typeParam S what was sealed */
export function openMembers<S extends Secretive>(
  keyring: Keyring,
  at: RowPlace,
  json: string,
): {
  readonly record: S;
  /** Secrets that no key opens, as `auth` and `headers.<name>`; the record is without them. */
  readonly unreadable: readonly string[];
} {
  const { headers, auth: sealedAuth, ...plain } = JSON.parse(json) as Kept;
  const unreadable: string[] = [];
  const open = (sealed: string, field: string) => {
    const text = keyring.open(sealed, { ...at, field });
    if (text === undefined) unreadable.push(field);
    return text;
  };
  const readable = Object.entries(headers).flatMap(([name, sealed]) => {
    const value = open(sealed, headerField(name));
    return value === undefined ? [] : [[name, value] as const];
  });
  const auth = sealedAuth === undefined ? undefined : open(sealedAuth, AUTH);
  const opened: Secretive = {
    ...plain,
    headers: Object.fromEntries(readable),
    auth: auth === undefined ? { type: "none" } : JSON.parse(auth),
  };
  return { record: opened as S, unreadable };
}

/**
 * The new record, with the secrets of the old one that cannot be read and that the new one says
 * nothing about: whoever changes a title must not lose a credential that another key still opens,
 * nor make calls without one.
 */
export function keepUnreadable(keyring: Keyring, at: RowPlace, before: string, after: string) {
  const { unreadable } = openMembers(keyring, at, before);
  if (unreadable.length === 0) return after;
  const old = JSON.parse(before) as Kept;
  const next = JSON.parse(after) as Kept;
  const lost = Object.entries(old.headers).filter(([name]) =>
    unreadable.includes(headerField(name))
  );
  const auth = next.auth ?? (unreadable.includes(AUTH) ? old.auth : undefined);
  const headers = { ...Object.fromEntries(lost), ...next.headers };
  return JSON.stringify({ ...next, headers, ...(auth !== undefined && { auth }) });
}

export interface Resealed {
  readonly json: string;
  readonly resealed: number;
  readonly current: number;
  readonly unreadable: number;
}

/** The same record, every secret that opens sealed with the current key. */
export function resealMembers(keyring: Keyring, at: RowPlace, json: string): Resealed {
  const kept = JSON.parse(json) as Kept;
  const count = { resealed: 0, current: 0, unreadable: 0 };
  const reseal = (sealed: string, field: string) => {
    const place = { ...at, field };
    const plain = keyring.open(sealed, place);
    const isCurrent = keyring.isCurrent(sealed);
    count[plain === undefined ? "unreadable" : isCurrent ? "current" : "resealed"]++;
    return plain === undefined || isCurrent ? sealed : keyring.seal(plain, place);
  };
  const headers = Object.entries(kept.headers).map(([name, sealed]) =>
    [name, reseal(sealed, headerField(name))] as const
  );
  const after: Kept = {
    ...kept,
    headers: Object.fromEntries(headers),
    ...(kept.auth !== undefined && { auth: reseal(kept.auth, AUTH) }),
  };
  return { ...count, json: JSON.stringify(after) };
}
