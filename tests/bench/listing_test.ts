/**
 * Long lists as the stub gives them and the load generator reads them: all of it, once.
 *
 * @module
 */

import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";

import { openConnection } from "./connection.ts";
import { namesOf, PAGE_BYTES_MAX, readListing } from "./listing.ts";
import { BIG_PAGE_TOOLS, BIG_TOOL_NAMES, LONG_SERVERS, manyToolNames } from "./payload.ts";
import { answerStateless, BIG, LONG, type Pages } from "./stub_stateless.ts";

async function listingOf(answer: (request: Request) => Response | Promise<Response>) {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const { port } = server.addr;
  const connection = await openConnection(port, PAGE_BYTES_MAX);
  try {
    return await readListing(connection, { port, path: "/mcp" });
  } finally {
    connection.close();
  }
}

const stubbed = (pages: Pages) => (request: Request) => answerStateless(request, pages);

Deno.test("a list of 5,000 tools is read page by page", async () => {
  const listing = await listingOf(stubbed(BIG));
  assertEquals(listing.pages.length, BIG_TOOL_NAMES.length / BIG_PAGE_TOOLS);
  assertEquals(listing.pagesMs.length, listing.pages.length);
  assertEquals(listing.count, BIG_TOOL_NAMES.length);
  assertEquals(namesOf(listing), BIG_TOOL_NAMES);
});

Deno.test("the long list is one page, with the names that the gateway gives", async () => {
  const listing = await listingOf(stubbed(LONG));
  assertEquals(listing.pages.length, 1);
  assertEquals(namesOf(listing), manyToolNames(LONG_SERVERS));
});

Deno.test("an answer that is no list, or another request's, is refused", async () => {
  await assertRejects(listingOf(() => new Response("no", { status: 503 })), /status 503: no/);
  const other = { jsonrpc: "2.0", id: 7, result: { tools: [] } };
  await assertRejects(listingOf(() => Response.json(other)), /status 200/);
});
