/**
 * Lists of a view as answers: from memory, as bytes that were put together once, page by page.
 *
 * @module
 * @see MCP 2025-11-25 and 2026-07-28, Utilities, "Pagination"; 2026-07-28, Utilities, "Caching"
 */
import { Buffer } from "node:buffer";
import { type Binding, type Run, shown } from "../../catalog/binding.ts";
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
 * Whether a client of the stateless era could follow a tool's annotations: servers of the session era do
 * not know what they mean.
 */
function isFollowable({ item: { kind, definition } }: Binding): boolean {
  return kind !== "tool" || !definition.includes("x-mcp-header") ||
    flawOfHeaders(JSON.parse(definition).inputSchema) === undefined;
}

/** Where a page begins. */
interface Start {
  readonly run: number;
  readonly at: number;
}

export interface ListsDeps {
  readonly box: SecretBox;
  readonly pace: Pace;
}

export function createLists({ box, pace }: ListsDeps): Lists {
  const pages = new WeakMap<readonly Run[], Map<string, Page | Promise<Page>>>();
  const kept = createKeptPages();

  function pageOf(list: readonly Run[], start: Start, isWanted: Wanted): Page | Promise<Page> {
    const known = pages.get(list) ?? new Map<string, Page | Promise<Page>>();
    pages.set(list, known);
    const key = `${isWanted === isFollowable} ${start.run} ${start.at}`;
    const forget = () => void known.delete(key);
    let page = known.get(key);
    if (page === undefined) {
      page = pageFrom(list, start, isWanted, pace);
      known.set(key, page);
      page.then((made) => {
        known.set(key, made);
        kept.add(made.elements.length, forget);
      }, forget);
    }
    return page;
  }

  /** Of the first element behind the cursor. */
  function startOf(list: readonly Run[], cursor: unknown, belongsTo: string): Start {
    if (cursor === undefined) return { run: 0, at: 0 };
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
    const list = caller.lists[kind];
    const isWanted = more === "" ? isAny : isFollowable;
    const belongsTo = `cursor ${callerOf(principal)} ${caller.view.key} ${kind}`;
    const page = pageOf(list, startOf(list, message.params?.cursor, belongsTo), isWanted);
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
function firstBehind(list: readonly Run[], serverSeq: number, itemSeq: number): Start {
  const run = firstOf(list, ([first]) => first!.server.seq >= serverSeq);
  const found = list[run] ?? [];
  const isSame = found[0]?.server.seq === serverSeq;
  return { run, at: isSame ? firstOf(found, ({ item }) => item.seq > itemSeq) : 0 };
}

/** Index of the first that fits, where all that fit stand behind all others. */
function firstOf<T>(list: readonly T[], fits: (one: T) => boolean): number {
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (fits(list[middle]!)) to = middle;
    else from = middle + 1;
  }
  return from;
}

type Wanted = (binding: Binding) => boolean;

const isAny: Wanted = () => true;

async function pageFrom(
  list: readonly Run[],
  start: Start,
  isWanted: Wanted,
  pace: Pace,
): Promise<Page> {
  const parts: string[] = [];
  let bytes = 0;
  let last: Binding | undefined;
  let hasMore = false;
  for (const binding of bindingsFrom(list, start)) {
    await pace();
    if (!isWanted(binding)) continue;
    const part = shown(binding);
    const partBytes = Buffer.byteLength(part) + 1;
    const isFull = parts.length === LIMITS.listPageItems ||
      (parts.length > 0 && bytes + partBytes > LIMITS.listPageBytes);
    if (isFull) {
      hasMore = true;
      break;
    }
    parts.push(part);
    bytes += partBytes;
    last = binding;
  }
  const text = parts.join(",");
  return {
    elements: parts.length === 0 || text.length === bytes - 1 ? text : encoder.encode(text),
    last: hasMore ? last : undefined,
  };
}

function* bindingsFrom(list: readonly Run[], { run, at }: Start): Generator<Binding, void> {
  for (const one of list.slice(run, run + 1)) yield* one.slice(at);
  for (const one of list.slice(run + 1)) yield* one;
}

/** What is kept of pages that were put together: the oldest make room. */
function createKeptPages() {
  const pages = new Set<{ readonly chars: number; readonly forget: () => void }>();
  let total = 0;
  return {
    add(chars: number, forget: () => void): void {
      pages.add({ chars, forget });
      total += chars;
      for (const page of pages) {
        if (total <= LIMITS.listPagesBytes) break;
        pages.delete(page);
        total -= page.chars;
        page.forget();
      }
    },
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
