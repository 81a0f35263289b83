/**
 * Answers that the nouns of the API have in common.
 *
 * @module
 */
import { versionOf } from "../../catalog/editing.ts";
import type { Page } from "./cursor.ts";
import { etagOf } from "./etag.ts";
import type { Answer } from "./operation.ts";

interface Version {
  readonly id: string;
  readonly revision: number;
}

export function one(record: unknown, version: Version): Answer {
  return { status: 200, body: record, headers: { ETag: etagOf(versionOf(version)) } };
}

/** @param path of the list that it is in now */
export function created(record: unknown, version: Version, path: string): Answer {
  const Location = `${path}/${encodeURIComponent(version.id)}`;
  const headers = { ETag: etagOf(versionOf(version)), Location };
  return { status: 201, body: record, headers };
}

export const GONE: Answer = { status: 204 };

export function list<T>({ records, nextCursor }: Page<T>, shown: (record: T) => unknown): Answer {
  const items = records.map(shown);
  return { status: 200, body: nextCursor === undefined ? { items } : { items, nextCursor } };
}
