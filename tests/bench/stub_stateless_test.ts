/**
 * The stub of the stateless era has no sessions: a bridge that found one there would cost too little.
 *
 * @module
 */

import { deepStrictEqual as assertEquals } from "node:assert/strict";

import { answerStateless, USUAL } from "./stub_stateless.ts";

const URL = "http://127.0.0.1/mcp";

function send(method: string) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method });
  return answerStateless(new Request(URL, { method: "POST", body }), USUAL);
}

Deno.test("answerStateless() refuses initialize, streams and the end of sessions", async () => {
  const refused = await send("initialize");
  assertEquals([refused.status, (await refused.json()).error.code], [404, -32601]);
  for (const method of ["GET", "DELETE"]) {
    assertEquals((await answerStateless(new Request(URL, { method }), USUAL)).status, 405);
  }
});

Deno.test("answerStateless() names its revision, and marks results as complete", async () => {
  const { result } = await (await send("server/discover")).json();
  assertEquals(result.supportedVersions, ["2026-07-28"]);
  for (const method of ["server/discover", "tools/list"]) {
    assertEquals((await (await send(method)).json()).result.resultType, "complete");
  }
});
