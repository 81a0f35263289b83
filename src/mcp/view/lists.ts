/**
 * Lists of a view as answers: from memory, as bytes that were put together once, page by page.
 *
 * @module
 * @see MCP 2025-11-25 and 2026-07-28, Utilities, "Pagination"; 2026-07-28, Utilities, "Caching"
 */
import { Buffer } from "node:buffer";
import type { Binding } from "../../catalog/view.ts";
import { flawOfHeaders } from "../../catalog/header_annotations.ts";
import type { CallerView } from "../../catalog/views.ts";
import { ProtocolError } from "../../domain/errors.ts";
import type { ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import { callerOf, type Principal } from "../../domain/principal.ts";
import type { Pace } from "../../platform/pace.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import { bytesOf, type ClientMessage, INVALID_PARAMS } from "../message.ts";

/** Text where it is ASCII, which the runtime sends at a third of the cost. */
export type ListAnswer = string | Uint8Array;

export interface Lists {
  /**
   * The answer to a list request; it takes a while where a page is put together for the first time.
   * @param more members that results of the stateless era have besides, each followed by a comma;
   *   empty in the session era
   * @throws {ProtocolError} -32602 for a cursor that was not given to this caller for this list
   */
  readonly answer: (
    caller: CallerView,
    principal: Principal,
    message: ClientMessage,
    more: string,
  ) => ListAnswer | Promise<ListAnswer>;
}

/** The kind of item that a method lists; `undefined` for other methods. */
export function listedBy(method: string): ItemKind | undefined {
  return METHODS.get(method);
}

const METHODS: ReadonlyMap<string, ItemKind> = new Map([
  ["tools/list", "tool"],
  ["prompts/list", "prompt"],
  ["resources/list", "resource"],
  ["resources/templates/list", "template"],
]);

const MEMBER: Readonly<Record<ItemKind, string>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  template: "resourceTemplates",
};

interface Page {
  /** The elements, with commas between them. */
  readonly elements: ListAnswer;
  /** The last element when there are more behind it. */
  readonly last: Binding | undefined;
}

/**
 * Without tools whose annotations a client of the stateless era could not follow: servers of the
 * session era do not know what they mean.
 */
function followable(list: readonly Binding[]): readonly Binding[] {
  return list.filter(({ item: { kind, definition } }) =>
    kind !== "tool" || !definition.includes("x-mcp-header") ||
    flawOfHeaders(JSON.parse(definition).inputSchema) === undefined
  );
}

export interface ListsDeps {
  readonly box: SecretBox;
  readonly pace: Pace;
}

export function createLists({ box, pace }: ListsDeps): Lists {
  const pages = new WeakMap<readonly Binding[], Map<number, Page | Promise<Page>>>();

  const filtered = new WeakMap<readonly Binding[], readonly Binding[]>();

  function followed(list: readonly Binding[]): readonly Binding[] {
    let known = filtered.get(list);
    if (known === undefined) filtered.set(list, known = followable(list));
    return known;
  }

  function pageOf(list: readonly Binding[], start: number): Page | Promise<Page> {
    const known = pages.get(list) ?? new Map<number, Page | Promise<Page>>();
    pages.set(list, known);
    let page = known.get(start);
    if (page === undefined) {
      page = pageFrom(list, start, pace);
      known.set(start, page);
      page.then((made) => known.set(start, made), () => known.delete(start));
    }
    return page;
  }

  /** Index of the first element behind the cursor. */
  function startOf(list: readonly Binding[], cursor: unknown, belongsTo: string): number {
    if (cursor === undefined) return 0;
    const sealed = typeof cursor === "string" && cursor.length <= CURSOR_CHARS
      ? Buffer.from(cursor, "base64url")
      : undefined;
    const plain = sealed && box.open(sealed, belongsTo);
    if (plain === undefined) throw new ProtocolError(INVALID_PARAMS, 200, "Invalid cursor");
    const [server, item] = decoder.decode(plain).split(" ").map(Number);
    return firstBehind(list, server!, item!);
  }

  function answer(
    caller: CallerView,
    principal: Principal,
    message: ClientMessage,
    more: string,
  ): ListAnswer | Promise<ListAnswer> {
    const kind = listedBy(message.method)!;
    const all = caller.lists[kind];
    const list = more === "" ? all : followed(all);
    const belongsTo = `cursor ${callerOf(principal)} ${caller.view.key} ${kind}`;
    const page = pageOf(list, startOf(list, message.params?.cursor, belongsTo));
    const written = ({ elements, last }: Page): ListAnswer => {
      const cursor = last && box.sealAlike(encoder.encode(placeOf(last)), belongsTo);
      const next = cursor === undefined
        ? ""
        : `,"nextCursor":"${Buffer.from(cursor).toString("base64url")}"`;
      const id = decoder.decode(message.id);
      const before = `{"jsonrpc":"2.0","id":${id},"result":{${more}"${MEMBER[kind]}":[`;
      const behind = `]${next}}}`;
      if (typeof elements === "string" && isAscii(before)) return before + elements + behind;
      return joined(encoder.encode(before), bytesOf(elements), encoder.encode(behind));
    };
    return page instanceof Promise ? page.then(written) : written(page);
  }

  return { answer };
}

function placeOf({ server, item }: Binding): string {
  return `${server.seq} ${item.seq}`;
}

/** Lists stand in this order: servers, and the items of each. */
function firstBehind(list: readonly Binding[], serverSeq: number, itemSeq: number): number {
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const { server, item } = list[middle]!;
    const isBehind = server.seq > serverSeq || (server.seq === serverSeq && item.seq > itemSeq);
    if (isBehind) to = middle;
    else from = middle + 1;
  }
  return from;
}

async function pageFrom(list: readonly Binding[], start: number, pace: Pace): Promise<Page> {
  const parts: string[] = [];
  let bytes = 0;
  let end = start;
  for (; end < list.length && end - start < LIMITS.listPageItems; end++) {
    await pace();
    const part = list[end]!.shown();
    const partBytes = Buffer.byteLength(part) + 1;
    if (end > start && bytes + partBytes > LIMITS.listPageBytes) break;
    parts.push(part);
    bytes += partBytes;
  }
  const text = parts.join(",");
  return {
    elements: parts.length === 0 || text.length === bytes - 1 ? text : encoder.encode(text),
    last: end < list.length ? list[end - 1] : undefined,
  };
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const target = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return target;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Ours are about 60. */
const CURSOR_CHARS = 256;
