/**
 * Settings of an upstream server as they are kept.
 *
 * @module
 */
import type { UpstreamSettings } from "../catalog_tables.ts";
import type { Keyring } from "../sealed.ts";
import { openMembers, type RowPlace } from "./sealed_members.ts";

/** @param row id of the server */
export function settingsPlace(row: string): RowPlace {
  return { table: "servers", row };
}

export function openSettings(keyring: Keyring, row: string, json: string) {
  const { record, unreadable } = openMembers<UpstreamSettings>(keyring, settingsPlace(row), json);
  const { title, timeoutMs, team, owner } = record;
  // What is absent in JSON is there, and undefined.
  return { settings: { ...record, title, timeoutMs, team, owner }, unreadable };
}
