/**
 * One list of an upstream server, read page by page to its end, or to the bounds of what is kept.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Pagination"
 */
import { GatewayError } from "../domain/errors.ts";
import type { ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Pace } from "../platform/pace.ts";
import type { DropReport } from "./dropped.ts";
import { type FoundItem, foundItem } from "./found_item.ts";
import type { Page, UpstreamReader } from "./reader.ts";

export interface Reading {
  readonly kind: ItemKind;
  /** In the order of the server; names are unique. */
  readonly items: readonly FoundItem[];
  /** Why not all of it was read; `undefined` when it was. What is missing may still exist then. */
  readonly cut: string | undefined;
  /** Shortest of the pages; `undefined` when none said anything. */
  readonly ttlMs: number | undefined;
  /** Strictest of the pages. */
  readonly cacheScope: "public" | "private" | undefined;
}

export interface ReadingDeps {
  readonly reader: Pick<UpstreamReader, "page">;
  readonly monotonic: () => number;
  readonly pace: Pace;
}

export interface ListToRead {
  readonly server: UpstreamServer;
  readonly kind: ItemKind;
  readonly isStateless: boolean;
  /** When no further page is asked for, on the clock for durations. */
  readonly endMs: number;
}

/** @throws as `UpstreamReader.page`, whichever page it is that fails */
export async function readList(
  deps: ReadingDeps,
  list: ListToRead,
  dropped: DropReport,
): Promise<Reading> {
  const { server, kind, endMs } = list;
  const shelf = createShelf(list, dropped);
  const cursors = new Set<string>();
  const hints: Page[] = [];
  let cursor: string | undefined;
  let cut: string | undefined;
  for (let pages = 1; cut === undefined; pages++) {
    const page = await deps.reader.page(server, kind, cursor);
    if (page === undefined && pages === 1) break;
    if (page === undefined) throw endsInError();
    for (const listed of page.items) {
      await deps.pace();
      shelf.take(listed);
    }
    hints.push({ ...page, items: [] });
    cursor = page.nextCursor;
    if (page.isCut || (cursor !== undefined && shelf.isFull())) {
      cut = `It has more than ${LIMITS.itemsPerKind} elements`;
    } else if (cursor === undefined) break;
    else if (cursors.has(cursor)) cut = "It does not end: a cursor is repeated";
    else if (pages >= LIMITS.listPages) cut = `It has more than ${LIMITS.listPages} pages`;
    else if (deps.monotonic() >= endMs) cut = "Reading it takes too long";
    else cursors.add(cursor);
  }
  return { kind, items: shelf.items, cut, ...strictest(hints) };
}

type Hints = Pick<Page, "ttlMs" | "cacheScope">;

/** What holds for all of several lists or pages. */
export function strictest(parts: readonly Hints[]): Hints {
  const times = parts.flatMap(({ ttlMs }) => ttlMs ?? []);
  const scopes = parts.flatMap(({ cacheScope }) => cacheScope ?? []);
  return {
    ttlMs: times.length === 0 ? undefined : Math.min(...times),
    cacheScope: scopes.length === 0 ? undefined : scopes.includes("private") ? "private" : "public",
  };
}

/** What is kept of one list. */
function createShelf({ kind, isStateless }: ListToRead, dropped: DropReport) {
  const items: FoundItem[] = [];
  const names = new Set<string>();
  let namesBytes = 0;
  let definitionsBytes = 0;
  let isFull = false;

  /** Lengths in characters: no text is longer than its bytes, which is what the bounds are for. */
  function refusal({ name, definition }: FoundItem): string | undefined {
    if (names.has(name)) return "An earlier one of the list has the same name";
    if (items.length >= LIMITS.itemsPerKind) {
      isFull = true;
      return `There are more than ${LIMITS.itemsPerKind}`;
    }
    if (namesBytes + name.length > LIMITS.itemNamesBytes) {
      return `The names of the list are longer than ${LIMITS.itemNamesBytes} bytes`;
    }
    if (definitionsBytes + definition.length > LIMITS.definitionsBytes) {
      return `The definitions of the list are longer than ${LIMITS.definitionsBytes} bytes`;
    }
    return undefined;
  }

  return {
    items,
    isFull: () => isFull,
    take(listed: Page["items"][number]): void {
      const found = foundItem(kind, listed, isStateless);
      const reason = "flaw" in found ? found.flaw : refusal(found);
      if (reason !== undefined) return dropped.add(kind, found.name, reason);
      if ("flaw" in found) return;
      items.push(found);
      names.add(found.name);
      namesBytes += found.name.length;
      definitionsBytes += found.definition.length;
    },
  };
}

function endsInError(): GatewayError {
  const text = "The upstream server does not know the method any more of which it gave a page";
  return new GatewayError("upstream_protocol", text);
}
