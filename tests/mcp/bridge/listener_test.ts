/**
 * What waits for a client that listens and is slow.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createListener } from "../../../src/mcp/bridge/listener.ts";
import { ClientLeft, Draining } from "../../../src/mcp/failure.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";
import { aCall } from "../../support/upstream_calls.ts";

const CHANGED = "notifications/tools/list_changed";
const UPDATED = "notifications/resources/updated";

function open(lists = ["toolsListChanged"], uris = ["a://1", "a://2"]) {
  const call = aCall({ message: { method: "subscriptions/listen", params: {} } });
  const { listener, next, ended } = createListener(call, lists, uris);
  const hear = (method: string, params: unknown = {}) =>
    listener.hear(bytesOf(JSON.stringify({ jsonrpc: "2.0", method, params })));
  const taken = async () =>
    (await next())?.map((bytes) => {
      const { method = "end", params } = JSON.parse(textOf(bytes)!);
      return params?.uri === undefined ? method : `${method} ${params.uri}`;
    });
  return { call, hear, taken, ended };
}

Deno.test("of many changes of one list, and of one resource, one each waits", async () => {
  const { hear, taken } = open();
  await taken();
  for (let i = 0; i < 1_000; i++) {
    hear(CHANGED);
    hear(UPDATED, { uri: "a://1" });
  }
  hear(UPDATED, { uri: "a://2" });
  assertEquals(await taken(), [CHANGED, `${UPDATED} a://1`, `${UPDATED} a://2`]);
});

Deno.test("what comes after it was taken is told again", async () => {
  const { hear, taken } = open();
  await taken();
  hear(CHANGED);
  await taken();
  hear(CHANGED);
  assertEquals(await taken(), [CHANGED]);
});

Deno.test("what is not wanted is not told", async () => {
  const { hear, taken } = open();
  await taken();
  hear("notifications/prompts/list_changed");
  hear(UPDATED, { uri: "b://1" });
  hear(UPDATED, {});
  hear("notifications/message", { level: "error", data: "x" });
  hear(CHANGED);
  assertEquals(await taken(), [CHANGED]);
});

Deno.test("a stream ends without a word when its client leaves", async () => {
  const { call, taken, ended } = open();
  await taken();
  call.abort.abort(new ClientLeft());
  await ended;
  assertEquals(await taken(), undefined);
});

Deno.test("a stream ends with a result when the gateway stops", async () => {
  const { call, taken } = open();
  await taken();
  call.abort.abort(new Draining());
  assertEquals([await taken(), await taken()], [["end"], undefined]);
});

Deno.test("a stream on which nothing can come ends at once", async () => {
  const { taken } = open([], []);
  const acknowledged = "notifications/subscriptions/acknowledged";
  assertEquals([await taken(), await taken()], [[acknowledged, "end"], undefined]);
});
