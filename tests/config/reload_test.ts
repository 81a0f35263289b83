/**
 * A config file that changes while the gateway runs: whole or not at all, one at a time, and said
 * once.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Declarations } from "../../src/config/file.ts";
import { createReload } from "../../src/config/reload.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Fields } from "../../src/telemetry/log.ts";
import { fakeClock } from "../support/fake_clock.ts";

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Fields;
}

const ONE = file({ one: {} });
const TWO = file({ one: {}, two: {} });
const WRONG = JSON.stringify({ servers: { a: { naming: "x" }, b: { visibility: "team" } } });

Deno.test("an unchanged file changes nothing, and nothing is said", async () => {
  const world = open(ONE);
  await world.reload.check();
  assertEquals([world.taken, world.lines], [[], []]);
});

Deno.test("a changed file is taken over", async () => {
  const world = open(ONE);
  world.write(TWO);
  await world.reload.check();
  assertEquals(world.taken, [["one", "two"]]);
});

Deno.test("what was taken over is not taken over again", async () => {
  const world = open(ONE);
  world.write(TWO);
  await world.reload.check();
  await world.reload.check();
  assertEquals(world.taken.length, 1);
});

Deno.test("a change that is taken back is one more change", async () => {
  const world = open(ONE);
  for (const text of [TWO, ONE]) {
    world.write(text);
    await world.reload.check();
  }
  assertEquals(world.taken, [["one", "two"], ["one"]]);
});

Deno.test("what is wrong is refused: nothing of it is taken over", async () => {
  const world = open(ONE);
  world.write(WRONG);
  await world.reload.check();
  assertEquals(world.taken, []);
});

Deno.test("each problem of a refused file is one line, an error that names file and problem", async () => {
  const world = open(ONE);
  world.write(WRONG);
  await world.reload.check();
  assertEquals(world.lines.map(({ level, fields }) => ({ level, ...fields })), [
    {
      level: "error",
      file: "mcp.json",
      problem: 'servers.a.naming: Invalid option: expected one of "prefixed"|"verbatim"',
    },
    { level: "error", file: "mcp.json", problem: 'servers.b.team: needed with "team"' },
  ]);
});

Deno.test("a refused file is said once, however often it is looked at", async () => {
  const world = open(ONE);
  world.write("{");
  for (let i = 0; i < 10; i++) await world.reload.check();
  assertEquals(world.errors().length, 1);
});

Deno.test("a refused file is said again on demand", async () => {
  const world = open(ONE);
  world.write("{");
  await world.reload.check();
  await world.reload.check(true);
  assertEquals(world.errors().length, 2);
});

Deno.test("a refused file that is wrong in another way is said again", async () => {
  const world = open(ONE);
  for (const text of ["{", "[]"]) {
    world.write(text);
    await world.reload.check();
  }
  assertEquals(world.errors().length, 2);
});

Deno.test("a refused file that comes back after a right one is said again", async () => {
  const world = open(ONE);
  for (const text of ["{", TWO, "{"]) {
    world.write(text);
    await world.reload.check();
  }
  assertEquals(world.errors().length, 2);
});

Deno.test("after a refused file the next right one is taken over", async () => {
  const world = open(ONE);
  for (const text of ["{", TWO]) {
    world.write(text);
    await world.reload.check();
  }
  assertEquals(world.taken, [["one", "two"]]);
});

Deno.test("after a refused file the one in use is no change", async () => {
  const world = open(ONE);
  for (const text of ["{", ONE]) {
    world.write(text);
    await world.reload.check();
  }
  assertEquals(world.taken, []);
});

Deno.test("the lines about one refused file are bounded", async () => {
  const world = open(ONE);
  const wrong = Array.from({ length: 5_000 }, (_, at) => [`a${at}`, 0]);
  world.write(JSON.stringify({ servers: Object.fromEntries(wrong) }));
  await world.reload.check();
  assertEquals(world.lines.length, LIMITS.configProblemsLogged + 1);
});

Deno.test("an unchanged file is said to be so on demand", async () => {
  const world = open(ONE);
  await world.reload.check(true);
  assertEquals(world.lines.map(({ message }) => message), ["The config file has not changed"]);
});

for (
  const [what, found] of [["vanishes", undefined], ["cannot be read", new Error("Denied")]] as const
) {
  Deno.test(`when the file ${what}, what it declared stays`, async () => {
    const world = open(ONE);
    world.write(found);
    await world.reload.check();
    assertEquals(world.taken, []);
  });

  Deno.test(`that the file ${what} is one error, said once`, async () => {
    const world = open(ONE);
    world.write(found);
    for (let i = 0; i < 3; i++) await world.reload.check();
    assertEquals(world.errors().length, 1);
  });

  Deno.test(`a file that ${what} and comes back as it was is no change`, async () => {
    const world = open(ONE);
    for (const text of [found, ONE]) {
      world.write(text);
      await world.reload.check();
    }
    assertEquals(world.taken, []);
  });

  Deno.test(`a file that ${what} and comes back changed is taken over`, async () => {
    const world = open(ONE);
    for (const text of [found, TWO]) {
      world.write(text);
      await world.reload.check();
    }
    assertEquals(world.taken, [["one", "two"]]);
  });
}

Deno.test("without a file nothing is said of there being none", async () => {
  const world = open(undefined);
  await world.reload.check();
  assertEquals(world.lines, []);
});

Deno.test("a file that was not there at start is taken over when it comes", async () => {
  const world = open(undefined);
  world.write(ONE);
  await world.reload.check();
  assertEquals(world.taken, [["one"]]);
});

Deno.test("an empty file is refused: editors empty files before they write them", async () => {
  const world = open(ONE);
  world.write("");
  await world.reload.check();
  assertEquals([world.taken, world.errors().length], [[], 1]);
});

Deno.test("a file that is being written is waited for", async () => {
  const world = open(ONE);
  const steps = ["", TWO.slice(0, 20), TWO];
  world.onPause = () => world.write(steps.shift() ?? TWO);
  world.write("{");
  await world.reload.check();
  assertEquals([world.taken, world.errors()], [[["one", "two"]], []]);
});

Deno.test("a file that never comes to rest is left for the next time", async () => {
  const world = open(ONE);
  let pauses = 0;
  world.onPause = () => world.write(file({ [`a${++pauses}`]: {} }));
  world.write(TWO);
  await world.reload.check();
  assertEquals([pauses, world.taken, world.lines], [LIMITS.configSettleReads, [], []]);
});

Deno.test("two changes are never taken over at once", async () => {
  const world = open(ONE);
  let open_ = 0;
  let openMax = 0;
  world.onChange = async () => {
    openMax = Math.max(openMax, ++open_);
    await turns();
    open_--;
  };
  const checks: Promise<void>[] = [];
  for (let i = 0; i < 20; i++) {
    world.write(file({ [`a${i}`]: {} }));
    checks.push(world.reload.check());
    await turns(i);
  }
  await Promise.all(checks);
  assertEquals(openMax, 1);
});

Deno.test("the newest wins: what comes while one change is taken over follows it", async () => {
  const world = open(ONE);
  world.onChange = async () => {
    if (world.taken.length > 1) return;
    for (const text of [WRONG, file({ stale: {} }), TWO]) {
      world.write(text);
      world.reload.check();
      await turns();
    }
  };
  world.write(file({ first: {} }));
  await world.reload.check();
  assertEquals(world.taken, [["first"], ["one", "two"]]);
});

Deno.test("however often it is asked, there is one look more", async () => {
  const world = open(ONE);
  await Promise.all(Array.from({ length: 1000 }, () => world.reload.check()));
  assert(world.reads() <= 2, `${world.reads()} reads`);
});

Deno.test("a demand during a look is not lost behind an ordinary one", async () => {
  const world = open(ONE);
  await Promise.all([world.reload.check(), world.reload.check(true), world.reload.check()]);
  assertEquals(world.lines.length, 1);
});

Deno.test("a change that could not be taken over is tried again", async () => {
  const world = open(ONE);
  failTimes(world, 1);
  world.write(TWO);
  await world.reload.check();
  world.clock.advance(2_000);
  await world.reload.check();
  assertEquals(world.taken.length, 2);
});

Deno.test("a change that cannot be taken over is tried ever more rarely", async () => {
  const world = open(ONE);
  failTimes(world, Infinity);
  world.write(TWO);
  for (let second = 0; second < 600; second += 2) {
    await world.reload.check();
    world.clock.advance(2_000);
  }
  assert(world.taken.length > 10 && world.taken.length < 20, `${world.taken.length} times`);
});

Deno.test("another change does not wait for the next try", async () => {
  const world = open(ONE);
  failTimes(world, 1);
  for (const text of [TWO, file({ three: {} })]) {
    world.write(text);
    await world.reload.check();
  }
  assertEquals(world.taken.at(-1), ["three"]);
});

Deno.test("the tries of one change are not counted against a later one", async () => {
  const world = open(ONE);
  for (const [text, failing] of [[TWO, 1], [ONE, 0], [TWO, 1]] as const) {
    failTimes(world, failing);
    world.write(text);
    await world.reload.check();
    world.clock.advance(2_000);
    await world.reload.check();
  }
  assertEquals(world.taken.length, 5);
});

Deno.test("a demand does not wait for the next try", async () => {
  const world = open(ONE);
  failTimes(world, 1);
  world.write(TWO);
  await world.reload.check();
  await world.reload.check(true);
  assertEquals(world.taken.length, 2);
});

Deno.test("after a failure even what was in use before is taken over", async () => {
  const world = open(ONE);
  failTimes(world, 1);
  world.write(TWO);
  await world.reload.check();
  world.write(ONE);
  world.clock.advance(2_000);
  await world.reload.check();
  assertEquals(world.taken.at(-1), ["one"]);
});

Deno.test("after the stop nothing is taken over", async () => {
  const world = open(ONE);
  world.write(TWO);
  world.onPause = () => world.reload.stop();
  await world.reload.check();
  await world.reload.check(true);
  assertEquals([world.taken, world.lines], [[], []]);
});

Deno.test("a new variable that this process may not read is a problem that asks for a restart", async () => {
  const world = open(ONE);
  world.write(JSON.stringify({ mcpServers: { a: { url: "http://${SECRET}/" } } }));
  await world.reload.check();
  assertEquals([world.taken, world.problems()], [[], [
    "mcpServers.a.url: needs a restart: SECRET is not allowed",
  ]]);
});

Deno.test("a new command that this process may not run is a problem that asks for a restart", async () => {
  const world = open(ONE);
  const mcpServers = { a: { command: "new" }, b: { command: "known" } };
  world.write(JSON.stringify({ mcpServers }));
  await world.reload.check();
  assertEquals([world.taken, world.problems()], [[], [
    "mcpServers.a.command: needs a restart: this process may not run it",
  ]]);
});

Deno.test("a new command of a disabled entry is no problem", async () => {
  const world = open(ONE);
  world.write(JSON.stringify({ mcpServers: { a: { command: "new", disabled: true } } }));
  await world.reload.check();
  assertEquals(world.problems(), []);
});

Deno.test("changed settings are taken note of: they need a restart", async () => {
  const world = open('{"settings":{"LOG_LEVEL":"info","TOOL_TIMEOUT":"9s"}}');
  world.write('{"settings":{"LOG_LEVEL":"debug","PORT":1}}');
  await world.reload.check();
  const noted = world.lines.filter(({ level }) => level === "warning");
  assertEquals(noted.map(({ fields }) => fields), [
    { changed: ["LOG_LEVEL", "TOOL_TIMEOUT", "PORT"] },
  ]);
});

Deno.test("changed settings do not keep the servers from being taken over", async () => {
  const world = open("{}");
  world.write('{"servers":{"a":{}},"settings":{"LOG_LEVEL":"debug"}}');
  await world.reload.check();
  assertEquals(world.taken, [["a"]]);
});

Deno.test("the value of a changed setting is not said", async () => {
  const world = open("{}");
  world.write(`{"settings":{"JWT_SECRET_KEY":"${"hidden-".repeat(9)}"}}`);
  await world.reload.check();
  assertEquals(JSON.stringify(world.lines).includes("hidden"), false);
});

Deno.test("a setting with which the gateway would not start again is a problem", async () => {
  const world = open("{}");
  world.write('{"settings":{"LOG_LEVEL":"loud"}}');
  await world.reload.check();
  assertEquals([world.taken, world.problems()], [[], [
    "settings.LOG_LEVEL: must be one of debug, info, warning, error",
  ]]);
});

Deno.test("a note is said when it is new", async () => {
  const world = open('{"inputs":1}');
  for (const text of ['{"inputs":2}', '{"inputs":2,"outputs":1}', '{"inputs":3,"outputs":1}']) {
    world.write(text);
    await world.reload.check();
  }
  const notes = world.lines.filter(({ level }) => level === "warning");
  assertEquals(notes.map(({ message }) => message), ['"outputs" is not known and was skipped']);
});

Deno.test("a file that would exhaust its reader is refused", async () => {
  const world = open(ONE);
  world.write(`{"a":${"[".repeat(200_000)}`);
  await world.reload.check();
  assertEquals(world.problems(), ["the file is nested too deeply"]);
});

Deno.test("no line shows the value of a variable", async () => {
  const world = open(ONE);
  for (const token of ["${KNOWN}\n", "${KNOWN}"]) {
    const auth = { type: "bearer", token };
    world.write(JSON.stringify({ mcpServers: { a: { url: "http://a.example", auth } } }));
    await world.reload.check();
  }
  assertEquals([world.taken.length, JSON.stringify(world.lines).includes("hidden")], [1, false]);
});

function file(servers: Fields): string {
  return JSON.stringify({ servers });
}

/** Lets what waits for its turn have it. */
async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

function failTimes(world: { onChange: () => Promise<void> }, times: number): void {
  world.onChange = () =>
    times-- > 0 ? Promise.reject(new Error("The database is away")) : Promise.resolve();
}

/** A file with this text, and what becomes of its changes: the slugs of each that is taken over. */
function open(text: string | undefined) {
  let found: string | Error | undefined = text;
  let reads = 0;
  const lines: Line[] = [];
  const taken: string[][] = [];
  const clock = fakeClock();
  const at = (level: string) => (message: string, fields: Fields = {}) =>
    void lines.push({ level, message, fields });
  const world = {
    taken,
    lines,
    clock,
    onPause: () => {},
    onChange: () => Promise.resolve(),
    write: (next: string | Error | undefined) => void (found = next),
    reads: () => reads,
    errors: () => lines.filter(({ level }) => level === "error"),
    problems: () => lines.flatMap(({ fields }) => fields.problem ?? []),
    reload: createReload({
      async read() {
        reads++;
        await Promise.resolve();
        if (found instanceof Error) throw found;
        return found;
      },
      lookup(name) {
        if (name === "KNOWN") return "hidden";
        throw new Error(`needs a restart: ${name} is not allowed`);
      },
      mayRun: ({ command }) => command === "known",
      async onChange({ upstreams, servers }: Declarations) {
        taken.push([...upstreams, ...servers].map(({ slug }) => slug));
        await world.onChange();
      },
      async pause() {
        await Promise.resolve();
        world.onPause();
      },
      clock,
      log: {
        debug: at("debug"),
        info: at("info"),
        warning: at("warning"),
        error: at("error"),
        isDebug: true,
      },
    }, { path: "mcp.json", text }),
  };
  return world;
}
