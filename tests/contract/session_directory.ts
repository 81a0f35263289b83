/**
 * What every session directory promises, run on each of its implementations.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { NewEntry, SessionDirectory } from "../../src/mcp/session/directory.ts";
import { fakeClock } from "../support/fake_clock.ts";
import type { Clock } from "../../src/platform/clock.ts";

export interface OpenDirectory extends AsyncDisposable {
  readonly directory: SessionDirectory;
  /** Everything that it keeps, of whatever kind. */
  readonly rows: () => number | Promise<number>;
}

export type OpenDirectoryWith = (clock: Clock, idleMs: number) => Promise<OpenDirectory>;

const IDLE_MS = 60_000;
const LIFE_MS = 10 * IDLE_MS;
const MANY = 1_000;

/** @param open makes an empty directory that nobody else uses */
export function sessionDirectoryContract(name: string, open: OpenDirectoryWith): void {
  const suite: Suite = (promise, test) =>
    Deno.test(`${name} ${promise}`, async () => {
      const clock = fakeClock();
      await using opened = await open(clock, IDLE_MS);
      const { directory } = opened;
      const create = (key: string, owner = "ann", ownerMax = MANY) =>
        directory.create({ ...entry(clock, key), owner }, ownerMax);
      await test({ ...opened, directory, create, advance: clock.advance, clock });
    });
  recordCases(suite);
  ownerCases(suite);
  expiryCases(suite);
  swapCases(suite);
  swapRaceCases(suite);
  removeCases(suite);
  takeCases(suite);
  pageCases(suite);
}

interface Given {
  readonly directory: SessionDirectory;
  readonly create: (key: string, owner?: string, ownerMax?: number) => Promise<boolean>;
  readonly rows: () => number | Promise<number>;
  readonly advance: (ms: number) => void;
  readonly clock: Clock;
}

type Suite = (promise: string, test: (given: Given) => Promise<void>) => void;

function entry(clock: Clock, key: string): NewEntry {
  return { key, owner: "ann", base: base(key), endMs: clock.now() + LIFE_MS };
}

const base = (key: string) => bytes(`base of ${key}`);
const bytes = (text: string) => new TextEncoder().encode(text);

/** As a sealed value may be: every byte there is, and no valid UTF-8. */
const EVERY_BYTE = Uint8Array.from({ length: 512 }, (_, i) => 255 - i % 256);

function pageCases(suite: Suite): void {
  suite("pages through every live session once", async ({ directory, create }) => {
    for (const key of ["c", "a", "e", "b", "d"]) await create(key);
    const seen: string[] = [];
    for (let after = "";;) {
      const page = await directory.page(after, 2);
      seen.push(...page.map(({ key }) => key));
      if (page.length < 2) break;
      after = page.at(-1)!.key;
    }
    assertEquals(seen, ["a", "b", "c", "d", "e"]);
  });

  suite(
    "leaves out of its pages what has idled too long",
    async ({ directory, create, advance }) => {
      await create("a");
      advance(IDLE_MS + 1);
      await create("b");
      assertEquals((await directory.page("", MANY)).map(({ key }) => key), ["b"]);
    },
  );
}

function recordCases(suite: Suite): void {
  suite("finds what was created, byte for byte", async ({ directory, clock }) => {
    const created = await directory.create({ ...entry(clock, "a"), base: EVERY_BYTE }, MANY);
    assertEquals(created, true);
    assertEquals(await directory.find("a"), { base: EVERY_BYTE, fields: new Map() });
  });

  suite("finds fields byte for byte", async ({ directory, create }) => {
    await create("a");
    await directory.swap("a", "one", 0, EVERY_BYTE);
    await directory.swap("a", "none", 0, new Uint8Array(0));
    const fields = new Map([
      ["none", { generation: 1, value: new Uint8Array(0) }],
      ["one", { generation: 1, value: EVERY_BYTE }],
    ]);
    assertEquals(await directory.find("a"), { base: base("a"), fields });
  });

  suite("finds nothing under an unknown key", async ({ directory, create }) => {
    await create("a");
    assertEquals(await directory.find("b"), undefined);
  });

  suite("refuses a key that is in use, and keeps what is there", async (given) => {
    const { directory, clock } = given;
    await given.create("a");
    await directory.swap("a", "one", 0, bytes("1"));
    const before = await directory.find("a");
    const again = { ...entry(clock, "a"), owner: "bob", base: bytes("other") };
    assertEquals(await directory.create(again, MANY), false);
    assertEquals(await directory.find("a"), before);
  });
}

function ownerCases(suite: Suite): void {
  suite("refuses more sessions than an owner may have, and keeps nothing", async (given) => {
    const allowed = [await given.create("a", "ann", 2), await given.create("b", "ann", 2)];
    const before = await given.rows();
    const refused = await given.create("c", "ann", 2);
    assertEquals([...allowed, refused], [true, true, false]);
    assertEquals(await given.directory.find("c"), undefined);
    assertEquals(await given.rows(), before);
  });

  suite("lets exactly as many as allowed through at once", async ({ create }) => {
    const keys = Array.from({ length: 50 }, (_, i) => `key ${i}`);
    const created = await Promise.all(keys.map((key) => create(key, "ann", 10)));
    assertEquals(created.filter(Boolean).length, 10);
  });

  suite("counts each owner alone", async ({ create }) => {
    await create("a", "ann", 1);
    assertEquals(await create("b", "bob", 1), true);
    assertEquals(await create("c", "ann", 1), false);
  });

  suite("does not count sessions that were removed", async ({ directory, create }) => {
    await create("a", "ann", 1);
    await directory.remove("a");
    assertEquals(await create("b", "ann", 1), true);
  });

  suite("does not count sessions that have idled too long", async ({ create, advance }) => {
    await create("a", "ann", 1);
    advance(IDLE_MS);
    assertEquals(await create("b", "ann", 1), true);
    assertEquals(await create("c", "ann", 1), false);
  });

  suite("does not count sessions that have lived too long", async (given) => {
    await given.create("a", "ann", 1);
    await stayInUse(given, "a", LIFE_MS);
    assertEquals(await given.create("b", "ann", 1), true);
  });

  suite("still counts sessions that are touched", async (given) => {
    await given.create("a", "ann", 1);
    await stayInUse(given, "a", 2 * IDLE_MS);
    assertEquals(await given.create("b", "ann", 1), false);
  });
}

/** Touches the session in time, again and again. */
async function stayInUse({ directory, advance }: Given, key: string, forMs: number) {
  for (let ms = 0; ms < forMs; ms += IDLE_MS / 2) {
    advance(IDLE_MS / 2);
    await directory.touch(key);
  }
}

function expiryCases(suite: Suite): void {
  suite("finds a session until it has idled too long", async (given) => {
    await given.create("a");
    given.advance(IDLE_MS - 1);
    assertEquals(await isFound(given, "a"), true);
    given.advance(1);
    assertEquals(await isFound(given, "a"), false);
  });

  suite("lets a touched session idle from then", async (given) => {
    await given.create("a");
    given.advance(IDLE_MS - 1);
    await given.directory.touch("a");
    given.advance(IDLE_MS - 1);
    assertEquals(await isFound(given, "a"), true);
    given.advance(1);
    assertEquals(await isFound(given, "a"), false);
  });

  suite("prolongs nothing by finding or swapping", async (given) => {
    await given.create("a");
    given.advance(IDLE_MS - 1);
    await given.directory.find("a");
    await given.directory.swap("a", "one", 0, bytes("1"));
    given.advance(1);
    assertEquals(await isFound(given, "a"), false);
  });

  suite("does not bring an idled session back by touching it", async (given) => {
    await given.create("a");
    given.advance(IDLE_MS);
    await given.directory.touch("a");
    assertEquals(await isFound(given, "a"), false);
  });

  suite("makes no session by touching an unknown key", async (given) => {
    await given.directory.touch("a");
    assertEquals(await isFound(given, "a"), false);
    assertEquals(await given.rows(), 0);
  });

  suite("ends a session at its end, used or not", async (given) => {
    await given.create("a");
    await stayInUse(given, "a", LIFE_MS - IDLE_MS / 2);
    given.advance(IDLE_MS / 2 - 1);
    assertEquals(await isFound(given, "a"), true);
    given.advance(1);
    assertEquals(await isFound(given, "a"), false);
  });
}

const isFound = async ({ directory }: Given, key: string) =>
  await directory.find(key) !== undefined;

function swapCases(suite: Suite): void {
  suite("counts the generations of a field from 1", async ({ directory, create }) => {
    await create("a");
    const first = await directory.swap("a", "one", 0, bytes("1"));
    const second = await directory.swap("a", "one", 1, bytes("2"));
    assertEquals([first, second], [
      { generation: 1, value: bytes("1") },
      { generation: 2, value: bytes("2") },
    ]);
    assertEquals((await directory.find("a"))?.fields, new Map([["one", second]]));
  });

  suite("keeps the fields of a session apart", async ({ directory, create }) => {
    await create("a");
    await directory.swap("a", "one", 0, bytes("1"));
    await directory.swap("a", "two", 0, bytes("2"));
    await directory.swap("a", "one", 1, bytes("3"));
    const fields = (await directory.find("a"))?.fields;
    assertEquals(fields?.get("one"), { generation: 2, value: bytes("3") });
    assertEquals(fields?.get("two"), { generation: 1, value: bytes("2") });
  });

  suite("keeps the fields of two sessions apart", async ({ directory, create }) => {
    await create("a");
    await create("b");
    await directory.swap("a", "one", 0, bytes("1"));
    assertEquals((await directory.find("b"))?.fields, new Map());
  });

  suite("has no field of a session that is gone", async (given) => {
    const { directory } = given;
    await given.create("removed");
    await directory.remove("removed");
    await given.create("idled");
    given.advance(IDLE_MS);
    for (const key of ["removed", "idled", "unknown"]) {
      assertEquals(await directory.swap(key, "one", 0, bytes("1")), undefined);
    }
    await directory.takeExpired(MANY);
    assertEquals(await given.rows(), 0);
  });
}

function swapRaceCases(suite: Suite): void {
  for (const stale of [0, 1, 3]) {
    suite(`answers a swap from generation ${stale} with the 2 that stands`, async (given) => {
      const { directory } = given;
      await given.create("a");
      await directory.swap("a", "one", 0, bytes("1"));
      const winner = await directory.swap("a", "one", 1, bytes("2"));
      assertEquals(await directory.swap("a", "one", stale, bytes("stale")), winner);
      assertEquals((await directory.find("a"))?.fields.get("one"), winner);
    });
  }

  for (const generation of [0, 1]) {
    suite(`lets one of 100 swaps from generation ${generation} win`, async (given) => {
      const { directory } = given;
      await given.create("a");
      if (generation === 1) await directory.swap("a", "one", 0, bytes("before"));
      const swaps = Array.from(
        { length: 100 },
        (_, i) => directory.swap("a", "one", generation, bytes(`writer ${i}`)),
      );
      const fields = await Promise.all(swaps);
      const standing = (await directory.find("a"))?.fields.get("one");
      assertEquals(standing?.generation, generation + 1);
      assertEquals(fields, fields.map(() => standing));
    });
  }
}

function removeCases(suite: Suite): void {
  suite("removes a session once", async ({ directory, create, rows }) => {
    await create("a");
    await directory.swap("a", "one", 0, bytes("1"));
    assertEquals([await directory.remove("a"), await directory.remove("a")], [true, false]);
    assertEquals(await directory.find("a"), undefined);
    assertEquals(await rows(), 0);
  });

  suite("tells one of several removers that it was the one", async ({ directory, create }) => {
    await create("a");
    const removed = await Promise.all(Array.from({ length: 20 }, () => directory.remove("a")));
    assertEquals(removed.filter(Boolean).length, 1);
  });

  suite("gives a used key back without its old fields", async ({ directory, create }) => {
    await create("a");
    await directory.swap("a", "one", 0, bytes("1"));
    await directory.remove("a");
    await create("a");
    assertEquals((await directory.find("a"))?.fields, new Map());
  });

  suite("keeps nothing of 5,000 sessions that came and went", async (given) => {
    const { directory, create } = given;
    for (let round = 0; round < 50; round++) {
      const keys = Array.from({ length: 100 }, (_, i) => `${round} ${i}`);
      await Promise.all(keys.map((key) => create(key, `owner ${key}`)));
      await Promise.all(keys.map((key) => directory.swap(key, "one", 0, bytes(key))));
      assertEquals(await Promise.all(keys.map(directory.remove)), keys.map(() => true));
    }
    assertEquals(await given.rows(), 0);
  });
}

function takeCases(suite: Suite): void {
  suite("takes out what has idled or lived too long, with its fields", async (given) => {
    const { directory, create, clock } = given;
    await directory.create({ ...entry(clock, "old"), endMs: clock.now() + IDLE_MS }, MANY);
    await create("idle");
    await create("used");
    const field = await directory.swap("idle", "one", 0, bytes("1"));
    given.advance(IDLE_MS / 2);
    await Promise.all([directory.touch("old"), directory.touch("used")]);
    given.advance(IDLE_MS / 2);
    const taken = await directory.takeExpired(MANY);
    assertEquals(
      new Map(taken),
      new Map([
        ["idle", { base: base("idle"), fields: new Map([["one", field]]) }],
        ["old", { base: base("old"), fields: new Map() }],
      ]),
    );
    assertEquals(await isFound(given, "used"), true);
  });

  suite("takes out each record once, at most as many as asked for", async (given) => {
    const keys = Array.from({ length: 10 }, (_, i) => `key ${i}`);
    await Promise.all(keys.map((key) => given.create(key)));
    await Promise.all(keys.map((key) => given.directory.swap(key, "one", 0, bytes(key))));
    given.advance(IDLE_MS);
    const takes = [];
    for (let i = 0; i < 4; i++) takes.push(await given.directory.takeExpired(4));
    assertEquals(takes.map((taken) => taken.length), [4, 4, 2, 0]);
    assertEquals(takes.flat().map(([key]) => key).sort(), keys);
    assertEquals(await given.rows(), 0);
  });

  suite("gives no record to two takers, and none is lost between them", async (given) => {
    const keys = Array.from({ length: 10 }, (_, i) => `key ${i}`);
    await Promise.all(keys.map((key) => given.create(key)));
    given.advance(IDLE_MS);
    const takes = await Promise.all(keys.map(() => given.directory.takeExpired(3)));
    // Takers may meet at the same records, and then take fewer than they might.
    takes.push(await given.directory.takeExpired(MANY));
    assertEquals(takes.flat().map(([key]) => key).sort(), keys);
  });

  suite("gives an idled record to its remover or its taker, not to both", async (given) => {
    await given.create("a");
    given.advance(IDLE_MS);
    assertEquals(await given.directory.remove("a"), true);
    assertEquals(await given.directory.takeExpired(MANY), []);
  });
}
