import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { createRemote, Lost, type Note, NotThere, type Remote } from "../../src/events/remote.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { memoryPosts } from "../support/memory_post.ts";

function world() {
  const posts = memoryPosts();
  const timers = fakeTimers(fakeClock());
  const failures: unknown[] = [];
  const failed = (_: string, error: unknown) => void failures.push(error);
  const make = (name: string) => createRemote({ post: posts.of(name), timers, failed });
  const [a, b] = [make("a"), make("b")];
  return {
    posts,
    a,
    b,
    failures,
    /** Lets everything happen that needs no time, then `ms` pass, again and again. */
    async pass(ms: number) {
      for (let i = 0; i < 5; i++) {
        await settled();
        timers.advance(ms / 5);
      }
      await settled();
    },
    [Symbol.dispose]() {
      a.close();
      b.close();
    },
  };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

async function all(remote: Remote, to: string, kind: string, question: Note): Promise<Note[]> {
  const answer = await remote.ask(to, kind, question);
  const notes: Note[] = [];
  for (let one = await answer.next(); one !== undefined; one = await answer.next()) notes.push(one);
  return notes;
}

async function* count(to: number) {
  for (let i = 1; i <= to; i++) yield { about: i };
}

Deno.test("ask() gives all parts of an answer, in order, however many", async () => {
  using w = world();
  w.b.serve("count", ({ about }) => count(about as number));

  const notes = await all(w.a, "b", "count", { about: 100 });

  assertEquals(notes.map(({ about }) => about), Array.from({ length: 100 }, (_, i) => i + 1));
});

Deno.test("a question and its answer carry bytes unchanged", async () => {
  using w = world();
  const body = Uint8Array.from({ length: 256 }, (_, i) => i);
  w.b.serve("echo", async function* (question) {
    yield question;
  });

  const [note] = await all(w.a, "b", "echo", { about: { line: "a\nb" }, body });

  assertEquals(note, { about: { line: "a\nb" }, body });
});

Deno.test("ask() says that a replica is not there, before anything is sent", async () => {
  using w = world();

  await assertRejects(w.a.ask("c", "count", { about: 1 }), NotThere);
});

Deno.test("ask() fails within its time when nobody acknowledges the question", async () => {
  using w = world();
  w.posts.lose((from) => from === "b");
  const asking = w.a.ask("b", "count", { about: 1 });
  const refused = assertRejects(asking, Lost);

  await w.pass(500);

  await refused;
});

Deno.test("an answer with a hole ends with an error, and is not passed off as whole", async () => {
  using w = world();
  w.posts.lose((_from, _to, text) => text.includes('"seq":2,'));
  w.b.serve("count", () => count(3));

  await assertRejects(all(w.a, "b", "count", { about: 3 }), Lost);
});

Deno.test("an answer whose end is lost ends when its replica dies", async () => {
  using w = world();
  w.posts.lose((_from, _to, text) => text.includes('"op":"end"'));
  w.b.serve("count", () => count(1));
  const refused = assertRejects(all(w.a, "b", "count", { about: 1 }), Lost);
  await w.pass(100);

  w.posts.kill("b");
  await w.pass(1_000);

  await refused;
});

for (const [what, lost] of [["end", '"op":"end"'], ["last part", '"op":"part"']] as const) {
  Deno.test(`an answer whose ${what} is lost ends with an error while its replica lives`, async () => {
    using w = world();
    w.b.serve("one", async function* ({ about }, wanted) {
      yield { about };
      if (what === "end") return;
      await new Promise((resolve) => wanted.addEventListener("abort", resolve));
    });
    w.posts.lose((_from, _to, text) => text.includes(lost));
    const asked = all(w.a, "b", "one", { about: 1 });
    const failure = assertRejects(asked, Lost);
    await w.pass(5_000);
    await failure;
  });
}

Deno.test("an answer of which nothing is lost goes on, however slow it is", async () => {
  using w = world();
  const go = Promise.withResolvers<void>();
  w.b.serve("slow", async function* () {
    yield { about: 1 };
    await go.promise;
    yield { about: 2 };
  });
  const asked = all(w.a, "b", "slow", { about: 0 });
  await w.pass(60_000);
  go.resolve();
  assertEquals(await asked, [{ about: 1, body: new Uint8Array() }, {
    about: 2,
    body: new Uint8Array(),
  }]);
});

Deno.test("an answer goes on of which it was lost that it had been taken", async () => {
  using w = world();
  w.b.serve("count", ({ about }) => count(about as number));
  w.posts.lose((_from, _to, text) => text.includes('"op":"taken"'));
  const asked = all(w.a, "b", "count", { about: 40 });
  await w.pass(5_000);
  assertEquals((await asked).length, 40);
});

Deno.test("close() tells the other replica that nothing more is wanted", async () => {
  using w = world();
  let wanted!: AbortSignal;
  w.b.serve("for ever", async function* (_, signal) {
    wanted = signal;
    for (;;) yield { about: 0 };
  });
  const answer = await w.a.ask("b", "for ever", { about: 0 });
  await answer.next();

  answer.close();
  await settled();

  assert(wanted.aborted);
});

Deno.test("a replica goes on for no asker that has died", async () => {
  using w = world();
  let wanted!: AbortSignal;
  w.b.serve("for ever", async function* (_, signal) {
    wanted = signal;
    for (;;) yield { about: 0 };
  });
  await w.a.ask("b", "for ever", { about: 0 });

  w.posts.kill("a");
  await w.pass(1_000);

  assert(wanted.aborted);
});

Deno.test("an answer waits for an asker that does not read", async () => {
  using w = world();
  let said = 0;
  w.b.serve("for ever", async function* () {
    for (;;) yield { about: ++said };
  });

  const answer = await w.a.ask("b", "for ever", { about: 0 });
  await settled();

  assert(said <= 17, `${said} parts were said`);
  answer.close();
});

Deno.test("tell() throws what the other replica threw, with its code", async () => {
  using w = world();
  // deno-lint-ignore require-yield
  w.b.serve("refuse", async function* () {
    throw new GatewayError("rate_limited", "Too many");
  });

  await assertRejects(
    w.a.tell("b", "refuse", { about: 0 }),
    (error: GatewayError) => error.code === "rate_limited" && error.message === "Too many",
  );
});

Deno.test("tell() says nothing of a fault in the other replica but that it is one", async () => {
  using w = world();
  // deno-lint-ignore require-yield
  w.b.serve("break", async function* () {
    throw new Error("secret");
  });

  await assertRejects(
    w.a.tell("b", "break", { about: 0 }),
    (error: GatewayError) => error.code === "outcome_unknown" && !error.message.includes("secret"),
  );
  assertEquals((w.failures as Error[]).map(({ message }) => message), ["secret"]);
});
