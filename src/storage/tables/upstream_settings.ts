/**
 * Settings of an upstream server as they are kept: JSON in which the values of headers, and all of
 * `auth`, are sealed.
 *
 * @module
 */
import type { UpstreamAuth } from "../../domain/server.ts";
import type { UpstreamSettings } from "../catalog_tables.ts";
import type { Keyring, SealedPlace } from "../sealed.ts";

/** What the JSON holds. Absent members are undefined ones. */
export interface KeptSettings extends Omit<UpstreamSettings, "headers" | "auth"> {
  /** Sealed values by name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sealed JSON; absent for none. */
  readonly auth?: string | undefined;
}

export interface OpenedSettings {
  readonly settings: UpstreamSettings;
  /** Secrets that no key opens, as `auth` and `headers.<name>`; the settings are without them. */
  readonly unreadable: readonly string[];
}

export const NO_AUTH: UpstreamAuth = { type: "none" };
const AUTH = "auth";

export function placeOf(row: string, field: string): SealedPlace {
  return { table: "servers", row, field };
}

export function headerField(name: string): string {
  return `headers.${name}`;
}

/** @param row id of the server */
export function sealSettings(keyring: Keyring, row: string, settings: UpstreamSettings): string {
  const { headers, auth, ...plain } = settings;
  const sealed = Object.entries(headers).map(([name, value]) =>
    [name, keyring.seal(value, placeOf(row, headerField(name)))] as const
  );
  const kept: KeptSettings = {
    ...plain,
    headers: Object.fromEntries(sealed),
    ...(auth.type !== "none" && { auth: keyring.seal(JSON.stringify(auth), placeOf(row, AUTH)) }),
  };
  return JSON.stringify(kept);
}

export function openSettings(keyring: Keyring, row: string, json: string): OpenedSettings {
  const { headers, auth: sealedAuth, ...plain } = JSON.parse(json) as KeptSettings;
  const unreadable: string[] = [];
  const open = (sealed: string, field: string) => {
    const text = keyring.open(sealed, placeOf(row, field));
    if (text === undefined) unreadable.push(field);
    return text;
  };
  const readable = Object.entries(headers).flatMap(([name, sealed]) => {
    const value = open(sealed, headerField(name));
    return value === undefined ? [] : [[name, value] as const];
  });
  const auth = sealedAuth === undefined ? undefined : open(sealedAuth, AUTH);
  const settings: UpstreamSettings = {
    ...plain,
    title: plain.title,
    timeoutMs: plain.timeoutMs,
    team: plain.team,
    owner: plain.owner,
    headers: Object.fromEntries(readable),
    auth: auth === undefined ? NO_AUTH : JSON.parse(auth),
  };
  return { settings, unreadable };
}

/**
 * The new settings, with the secrets of the old ones that cannot be read and that the new ones say
 * nothing about: whoever changes a title must not lose a credential that another key still opens,
 * nor make calls without one.
 */
export function keepUnreadable(keyring: Keyring, row: string, before: string, after: string) {
  const { unreadable } = openSettings(keyring, row, before);
  if (unreadable.length === 0) return after;
  const old = JSON.parse(before) as KeptSettings;
  const next = JSON.parse(after) as KeptSettings;
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

/** The same settings, every secret that opens sealed with the current key. */
export function resealSettings(keyring: Keyring, row: string, json: string): Resealed {
  const kept = JSON.parse(json) as KeptSettings;
  const count = { resealed: 0, current: 0, unreadable: 0 };
  const reseal = (sealed: string, field: string) => {
    const place = placeOf(row, field);
    const plain = keyring.open(sealed, place);
    const isCurrent = keyring.isCurrent(sealed);
    count[plain === undefined ? "unreadable" : isCurrent ? "current" : "resealed"]++;
    return plain === undefined || isCurrent ? sealed : keyring.seal(plain, place);
  };
  const headers = Object.entries(kept.headers).map(([name, sealed]) =>
    [name, reseal(sealed, headerField(name))] as const
  );
  const after: KeptSettings = {
    ...kept,
    headers: Object.fromEntries(headers),
    ...(kept.auth !== undefined && { auth: reseal(kept.auth, AUTH) }),
  };
  return { ...count, json: JSON.stringify(after) };
}
