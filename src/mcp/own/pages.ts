/**
 * One page of a list, taken apart: each element as the server wrote it.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Pagination"
 */
import type { Listed, Page } from "../../catalog/reader.ts";
import type { ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Pace } from "../../platform/pace.ts";
import { onOneLine } from "../edit.ts";
import {
  elementsOf,
  findMember,
  JsonScanError,
  type Member,
  membersAt,
  nameOf,
  scanJson,
  type Span,
} from "../json_scan.ts";
import { broken } from "../upstream_message.ts";
import type { OwnAnswer } from "./calls.ts";

interface List {
  readonly method: string;
  /** The member of the result in which the elements are. */
  readonly member: string;
  /** The member of an element by which clients ask for it. */
  readonly name: string;
}

export const LISTS: Readonly<Record<ItemKind, List>> = {
  tool: { method: "tools/list", member: "tools", name: "name" },
  prompt: { method: "prompts/list", member: "prompts", name: "name" },
  resource: { method: "resources/list", member: "resources", name: "uri" },
  template: {
    method: "resources/templates/list",
    member: "resourceTemplates",
    name: "uriTemplate",
  },
};

const TYPE = nameOf("resultType");
const CURSOR = nameOf("nextCursor");
const TTL = nameOf("ttlMs");
const SCOPE = nameOf("cacheScope");
const decoder = new TextDecoder();

/** @throws {GatewayError} `upstream_protocol` when it is no page of such a list */
export async function pageOf(
  { message, result }: OwnAnswer & { readonly result: Member },
  kind: ItemKind,
  pace: Pace,
): Promise<Page> {
  // Each of these walks through the whole page: several MiB take some milliseconds.
  await pace();
  const members = membersAt(message, result.start);
  await pace();
  const { member } = LISTS[kind];
  const list = findMember(message, members, nameOf(member));
  if (list === undefined || message[list.start] !== OPEN_BRACKET) {
    throw broken(`a list without "${member}"`);
  }
  const spans = elementsOf(message, list.start, LIMITS.itemsPerKind + 2);
  const value = (name: typeof TYPE) => smallValue(message, findMember(message, members, name));
  const type = value(TYPE);
  if (type !== undefined && type !== "complete") throw broken("a list that is not complete");
  const items: Listed[] = [];
  for (const span of spans.slice(0, LIMITS.itemsPerKind + 1)) {
    await pace();
    items.push(listedOf(message, span, kind));
  }
  return {
    items,
    isCut: spans.length > items.length,
    nextCursor: cursorOf(value(CURSOR)),
    ttlMs: timeOf(value(TTL)),
    cacheScope: scopeOf(value(SCOPE)),
  };
}

const OPEN_BRACKET = 0x5b;

function listedOf(message: Uint8Array, { start, end }: Span, kind: ItemKind): Listed {
  if (end - start > LIMITS.definitionBytes) {
    const flaw = `It is larger than ${LIMITS.definitionBytes / 1024} KiB`;
    return { name: nameAt(message, start, kind), flaw };
  }
  // A copy of its own: the scan is fast where memory begins on a word.
  const bytes = message.slice(start, end);
  try {
    if (scanJson(bytes, ELEMENT_BOUNDS).hasLineBreaks) onOneLine(bytes);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    return { name: nameAt(message, start, kind), flaw: error.message };
  }
  return { text: decoder.decode(bytes) };
}

/** Two readers would understand an object with a name twice differently. */
const ELEMENT_BOUNDS = {
  depth: LIMITS.jsonDepth,
  nodes: LIMITS.jsonNodes,
  keyBytes: LIMITS.jsonKeyBytes,
  uniqueNames: true,
} as const;

function nameAt(message: Uint8Array, start: number, kind: ItemKind): string {
  const member = findMember(message, membersAt(message, start), nameOf(LISTS[kind].name));
  const name = smallValue(message, member);
  return typeof name === "string" ? name : "";
}

/** `undefined` for what is not there or too long to mean anything. */
function smallValue(message: Uint8Array, member: Member | undefined): unknown {
  if (member === undefined) return undefined;
  const { start, end } = member;
  // A character takes up to six bytes: `\u0000`.
  if (end - start > 6 * LIMITS.cursorChars + 2) return TOO_LONG;
  return JSON.parse(decoder.decode(message.subarray(start, end)));
}

const TOO_LONG = Symbol("too long");

/** Many servers say `null` or nothing between quotes when there is no further page. */
function cursorOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string" || value.length > LIMITS.cursorChars) {
    throw broken("a malformed cursor");
  }
  return value;
}

function timeOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? Math.min(Math.floor(value), DAY_MS) : undefined;
}

const DAY_MS = 24 * 3_600_000;

function scopeOf(value: unknown): Page["cacheScope"] {
  return value === "public" || value === "private" ? value : undefined;
}
