/**
 * One subscription for all who want the same resource.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createSubscribers } from "../../../src/mcp/bridge/subscribers.ts";

function open({ refuses = [], urisMax = 100 }: { refuses?: string[]; urisMax?: number } = {}) {
  const said: string[] = [];
  const waiting: (() => void)[] = [];
  let isHeld = false;
  const after = async <T>(text: string, result: T): Promise<T> => {
    said.push(text);
    if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve));
    return result;
  };
  const subscribers = createSubscribers({
    subscribe: (uri) => after(`+${uri}`, !refuses.includes(uri)),
    unsubscribe: (uri) => after(`-${uri}`, undefined),
  }, { urisMax });
  return {
    subscribers,
    said,
    hold: () => void (isHeld = true),
    release() {
      isHeld = false;
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("the second who wants a resource costs nothing", async () => {
  const { subscribers, said } = open();
  assertEquals(await subscribers.add(["a"]), ["a"]);
  assertEquals(await subscribers.add(["a"]), ["a"]);
  assertEquals(said, ["+a"]);
});

Deno.test("the last who leaves takes it back, the one before does not", async () => {
  const { subscribers, said } = open();
  await subscribers.add(["a"]);
  await subscribers.add(["a"]);
  subscribers.remove(["a"]);
  await settled();
  assertEquals(said, ["+a"]);
  subscribers.remove(["a"]);
  await settled();
  assertEquals(said, ["+a", "-a"]);
});

Deno.test("two who come at once wait for one answer", async () => {
  const { subscribers, said, hold, release } = open();
  hold();
  const both = Promise.all([subscribers.add(["a"]), subscribers.add(["a"])]);
  await settled();
  release();
  assertEquals([await both, said], [[["a"], ["a"]], ["+a"]]);
});

Deno.test("what the server refuses is asked for again by the next", async () => {
  const { subscribers, said } = open({ refuses: ["a"] });
  assertEquals(await subscribers.add(["a"]), []);
  assertEquals(await subscribers.add(["a", "b"]), ["b"]);
  assertEquals(said, ["+a", "+a", "+b"]);
});

Deno.test("who comes while it is taken back is subscribed behind that", async () => {
  const { subscribers, said, hold, release } = open();
  await subscribers.add(["a"]);
  hold();
  subscribers.remove(["a"]);
  const again = subscribers.add(["a"]);
  await settled();
  assertEquals(said, ["+a", "-a"]);
  release();
  assertEquals([await again, said], [["a"], ["+a", "-a", "+a"]]);
});

Deno.test("more than is allowed is not subscribed to", async () => {
  const { subscribers } = open({ urisMax: 2 });
  assertEquals(await subscribers.add(["a", "b", "c"]), ["a", "b"]);
  subscribers.remove(["a"]);
  await settled();
  assertEquals(await subscribers.add(["c"]), ["c"]);
});
