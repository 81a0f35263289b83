/**
 * A list of tools as a client of the stateless era reads it: page after page.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { openConnection } from "./connection.ts";
import { listRequestOf } from "./requests.ts";
import { type Address, ID_PLACEHOLDER } from "./types.ts";

/** Room for one page; the gateway's have at most 1 MiB of definitions. */
export const PAGE_BYTES_MAX = 2 * 1024 * 1024;

/** More than any list here has. */
const PAGES_MAX = 100;

/** How long a gateway may take to know what its servers offer. */
const LISTED_MS_MAX = 30_000;
const POLL_MS = 100;

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** One reading of a whole list. */
export interface Listing {
  /** Tools on all pages, counted and not looked at. */
  readonly count: number;
  readonly pages: readonly string[];
  readonly pagesMs: readonly number[];
}

/**
 * Reads all pages. Nothing is parsed meanwhile, so that others who measure time in this process are
 * not held up.
 *
 * @throws {Error} for an answer that is none
 */
export async function readListing(
  connection: Connection,
  address: Address,
  pagesMax = PAGES_MAX,
): Promise<Listing> {
  const pages: string[] = [];
  const pagesMs: number[] = [];
  let cursor: string | undefined;
  let count = 0;
  do {
    const request = encoder.encode(listRequestOf(address, cursor));
    const startMs = performance.now();
    const { status, body } = await connection.exchange(request);
    pagesMs.push(performance.now() - startMs);
    const page = latin1.decode(body);
    if (status !== 200 || !page.includes(`"id":${ID_PLACEHOLDER}`)) {
      throw new Error(`tools/list: status ${status}: ${page.slice(0, 200)}`);
    }
    pages.push(page);
    count += page.split('"inputSchema":').length - 1;
    cursor = /"nextCursor":"([^"]*)"/.exec(page)?.[1];
  } while (cursor !== undefined && pages.length < pagesMax);
  return { count, pages, pagesMs };
}

/** The names on all pages. @throws {Error} for a page that is no list of tools */
export function namesOf({ pages }: Listing): string[] {
  return pages.flatMap((page) => {
    const { result } = JSON.parse(page);
    return result.tools.map(({ name }: { readonly name: string }) => name);
  });
}

/** Resolves when so many tools are listed there. @throws {Error} when that takes too long */
export async function listed(address: Address, count: number): Promise<void> {
  const connection = await openConnection(address.port, PAGE_BYTES_MAX);
  try {
    const untilMs = performance.now() + LISTED_MS_MAX;
    for (;;) {
      const listing = await readListing(connection, address);
      if (listing.count === count) return;
      if (performance.now() > untilMs) {
        throw new Error(`${listing.count} of ${count} tools are listed`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    connection.close();
  }
}
