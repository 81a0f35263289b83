/**
 * Who may write to a stream, and until when.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { messages } from "../../support/event_model.ts";
import type { Case } from "./case.ts";

export function running(it: Case): void {
  it("append() refuses who does not run the stream", {}, async ({ store, open, kept }) => {
    await open("s", { runner: "runner" });
    assertEquals(await store.append("s", messages(["a"]), { runner: "other" }), undefined);
    assertEquals(await store.append("s", messages(["b"]), { runner: "" }), undefined);
    assertEquals(await store.append("s", messages(["c"]), { runner: "runner" }), 1);
    assertEquals(await store.append("s", messages(["d"]), {}), 2);
    assertEquals(await kept("s"), ["1 c", "2 d"]);
  });

  it("nothing comes after the end", {}, async ({ store, open, append, end, kept }) => {
    await open("s");
    assertEquals(await end("s", "a"), 1);
    assertEquals(await append("s", "b"), undefined);
    assertEquals(await end("s"), undefined);
    assertEquals(await kept("s"), ["1 a"]);
    assertEquals((await store.find("s"))?.isEnded, true);
  });

  it("a stream can end without an event", {}, async ({ store, open, end }) => {
    await open("s");
    assertEquals(await end("s"), 0);
    assertEquals((await store.find("s"))?.isEnded, true);
  });

  it("claim() moves a stream from its runner, once", {}, async ({ store, open }) => {
    await open("s", { runner: "dead" });
    assertEquals(await store.claim("s", "other", "new"), false);
    assertEquals(
      await Promise.all([
        store.claim("s", "dead", "new"),
        store.claim("s", "dead", "late"),
      ]),
      [true, false],
    );
    assertEquals((await store.find("s"))?.runner, "new");
    assertEquals(await store.append("s", messages(["a"]), { runner: "dead" }), undefined);
    assertEquals(await store.append("s", messages(["a"]), { runner: "new" }), 1);
  });

  it("claim() leaves alone what has ended", {}, async ({ store, open, end }) => {
    await open("s");
    await end("s", "a");
    assertEquals(await store.claim("s", "runner", "new"), false);
  });

  it("the upstream's event id is kept with its events or not at all", {}, async (fixture) => {
    const { store, open, append } = fixture;
    const upstreamEventId = async () => (await store.find("s"))?.upstreamEventId;
    await open("s");
    await store.append("s", messages(["a"]), { upstreamEventId: "up-1" });
    assertEquals(await upstreamEventId(), "up-1");
    await store.append("s", messages(["b"]), { upstreamEventId: "up-2", runner: "other" });
    assertEquals(await upstreamEventId(), "up-1");
    await append("s", "c");
    assertEquals(await upstreamEventId(), "up-1");
    await store.append("s", [], { upstreamEventId: "up-3" });
    assertEquals(await upstreamEventId(), "up-3");
    await store.append("s", messages(["d"]), { upstreamEventId: "", ends: true });
    assertEquals(await upstreamEventId(), "");
    await store.append("s", messages(["e"]), { upstreamEventId: "up-5" });
    assertEquals(await upstreamEventId(), "");
  });
}
