/**
 * What an API answers, as clients of 2026-07-28 get it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ownUri } from "../../src/domain/own_item.ts";
import { openApiWorld } from "../support/api_world.ts";
import { ERAS } from "../support/shelf_world.ts";

Deno.test("nothing in an answer is taken for an item of the gateway's", async () => {
  const answer = { uri: ownUri("id", "note://a"), list: [{ uri: "note://a" }] };
  await using api = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => Response.json(answer),
  );
  await using world = await openApiWorld();
  await world.api.must("POST", "/resources", { uri: "note://a", name: "A", text: "a" });
  await world.api.must("POST", "/tools", {
    name: "get",
    method: "GET",
    url: `http://127.0.0.1:${api.addr.port}/`,
    inputSchema: { type: "object" },
  });
  await using era = await ERAS.modern(world);
  const { result } = await era.ask("tools/call", { name: "get", arguments: {} });
  assertEquals(Object(result).structuredContent, answer);
});
