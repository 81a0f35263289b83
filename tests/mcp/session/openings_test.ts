import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createRemote } from "../../../src/events/remote.ts";
import { createOpenings } from "../../../src/mcp/session/openings.ts";
import { fakeClock, fakeTimers } from "../../support/fake_clock.ts";
import { memoryPosts } from "../../support/memory_post.ts";

const SESSION = "a session's key";

/** Two replicas, and what they said in Redis. */
function world() {
  const posts = memoryPosts();
  const timers = fakeTimers(fakeClock());
  const said: string[] = [];
  const replica = (name: string) => {
    const remote = createRemote({ post: posts.of(name), timers, failed() {} });
    const claims = {
      opens: () => void said.push(`${name} opens`),
      opened: () => void said.push(`${name} opened`),
    };
    return { remote, openings: createOpenings({ remote, timers, claims }) };
  };
  const [a, b] = [replica("a"), replica("b")];
  return {
    a: a.openings,
    b: b.openings,
    posts,
    timers,
    said,
    [Symbol.dispose]() {
      a.remote.close();
      b.remote.close();
    },
  };
}

/** Whether it is over once everything has happened that needs no time. */
async function isOver(waiting: Promise<void> | undefined): Promise<boolean> {
  let over = false;
  void waiting?.then(() => over = true);
  for (let i = 0; i < 100; i++) await Promise.resolve();
  return over;
}

Deno.test("over() has nothing to wait for while nothing is being opened", () => {
  using w = world();
  assertEquals(w.a.over(SESSION, undefined), undefined);
  const opened = w.a.begin("another one");
  assertEquals(w.a.over(SESSION, undefined), undefined);
  opened();
});

Deno.test("over() waits for what is being opened, here and at another replica", async () => {
  using w = world();
  const opened = w.a.begin(SESSION);
  const waits = [w.a.over(SESSION, undefined), w.a.over(SESSION, "a"), w.b.over(SESSION, "a")];
  for (const one of waits) assert(!await isOver(one));
  opened();
  for (const one of waits) assert(await isOver(one));
  assertEquals(w.said, ["a opens", "a opened"]);
});

Deno.test("over() goes on at once when the other replica is ready by then, or gone", async () => {
  using w = world();
  assert(await isOver(w.b.over(SESSION, "a")));
  w.a.begin(SESSION);
  w.posts.kill("a");
  assert(await isOver(w.b.over(SESSION, "a")));
});

Deno.test("over() does not wait for ever", async () => {
  using w = world();
  w.a.begin(SESSION);
  const waits = [w.a.over(SESSION, undefined), w.b.over(SESSION, "a")];
  for (const one of waits) assert(!await isOver(one));
  w.timers.advance(1_000);
  for (const one of waits) assert(await isOver(one));
});

Deno.test("begin() of a second GET is waited for when the first is over", async () => {
  using w = world();
  const [first, second] = [w.a.begin(SESSION), w.a.begin(SESSION)];
  first();
  const waiting = w.a.over(SESSION, undefined);
  assert(!await isOver(waiting));
  second();
  assert(await isOver(waiting));
  assertEquals(w.said, ["a opens", "a opens", "a opened"]);
});
