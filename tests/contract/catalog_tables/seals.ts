/**
 * Secrets: only sealed in the database, bound to their place, opened by either key, sealed anew.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { UpstreamAuth } from "../../../src/domain/server.ts";
import { createKeyring } from "../../../src/storage/sealed.ts";
import { resealSecrets } from "../../../src/storage/tables/reseal.ts";
import { aRow, someSettings } from "../../support/catalog_rows.ts";
import { type Given, KEY, type Suite } from "./case.ts";

const CANARY = "canary-7f3a9b";
const OTHER_KEY = "another key of these tests, long enough to be one";
const AUTHS: readonly UpstreamAuth[] = [
  { type: "bearer", token: CANARY },
  { type: "basic", username: CANARY, password: CANARY },
  { type: "header", name: "X-Key", value: CANARY },
  {
    type: "oauth_client_credentials",
    tokenUrl: `https://auth.example/${CANARY}`,
    clientId: CANARY,
    clientSecret: CANARY,
    scope: CANARY,
    resource: CANARY,
  },
];

const SETTINGS = someSettings({
  headers: { "X-One": `${CANARY} 1`, "X-Two": `${CANARY} 2` },
  auth: { type: "bearer", token: CANARY },
});

export function sealCases(suite: Suite): void {
  storedCases(suite);
  placeCases(suite);
  keyCases(suite);
  unreadableCases(suite);
  resealCases(suite);
}

function storedCases(suite: Suite): void {
  suite("keeps no secret in the clear", async (given) => {
    for (const [i, auth] of AUTHS.entries()) {
      await given.upstreams.create({ ...aRow(`a${i}`), settings: { ...SETTINGS, auth } });
      await given.upstreams.update(`a${i}`, 1, { settings: { ...SETTINGS, auth } });
    }
    assert(!(await dump(given)).includes(CANARY));
  });

  suite("seals the same secret differently each time", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const before = await kept(given, "a");
    await given.upstreams.update("a", 1, { settings: SETTINGS });
    assert((await kept(given, "a")).auth !== before.auth);
  });
}

function placeCases(suite: Suite): void {
  suite("opens no secret that was copied to another row", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    await given.upstreams.create({ ...aRow("b"), settings: SETTINGS });
    await put(given, "b", await kept(given, "a"));
    const row = await given.upstreams.find("b");
    assertEquals(row?.unreadable, ["headers.X-One", "headers.X-Two", "auth"]);
  });

  suite("opens no secret that was copied to another field", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const { headers, auth, ...others } = await kept(given, "a");
    const moved = { "X-One": headers["X-Two"]!, "X-Two": auth! };
    await put(given, "a", { ...others, headers: moved, auth: headers["X-One"]! });
    const row = await given.upstreams.find("a");
    assertEquals(row?.unreadable, ["headers.X-One", "headers.X-Two", "auth"]);
  });

  suite("opens nothing that says another key version", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const old = await kept(given, "a");
    const [, other] = createKeyring(OTHER_KEY, undefined)
      .seal("", { table: "", row: "", field: "" }).split(".");
    const auth = old.auth!.replace(/\.[^.]+\./, `.${other}.`);
    await put(given, "a", { ...old, auth });
    const both = given.withKeys(KEY, OTHER_KEY);
    assertEquals((await both.upstreams.find("a"))?.unreadable, ["auth"]);
  });

  for (const garbage of ["", "s1", "s1..", "s1.0000000000000000.AAAA", CANARY, "s2.a.b"]) {
    suite(`lists a row whose sealed value is "${garbage}"`, async (given) => {
      await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
      await put(given, "a", { ...await kept(given, "a"), auth: garbage });
      const [row] = await given.upstreams.list();
      assertEquals([row?.unreadable, row?.settings?.auth], [["auth"], { type: "none" }]);
    });
  }
}

function keyCases(suite: Suite): void {
  suite("opens with the previous key what it has sealed", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const row = await given.withKeys(OTHER_KEY, KEY).upstreams.find("a");
    assertEquals([row?.settings, row?.unreadable], [SETTINGS, undefined]);
  });

  suite("seals with the current key only", async (given) => {
    await given.withKeys(OTHER_KEY, KEY).upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const alone = given.withKeys(OTHER_KEY);
    assertEquals((await alone.upstreams.find("a"))?.settings, SETTINGS);
    assertEquals((await given.upstreams.find("a"))?.unreadable?.length, 3);
  });
}

function unreadableCases(suite: Suite): void {
  suite("lists a row whose secrets no key opens, without them", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const [row] = await given.withKeys(OTHER_KEY).upstreams.list();
    assertEquals(row?.unreadable, ["headers.X-One", "headers.X-Two", "auth"]);
    assertEquals(row?.settings, someSettings());
  });

  suite("keeps secrets that it cannot read when other settings change", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const { upstreams } = given.withKeys(OTHER_KEY);
    const { settings } = (await upstreams.find("a"))!;
    const changed = await upstreams.update("a", 1, { settings: { ...settings!, title: "T" } });
    assertEquals([changed.settings?.title, changed.unreadable?.length], ["T", 3]);
    const after = await given.upstreams.find("a");
    assertEquals(after?.settings, { ...SETTINGS, title: "T" });
  });

  suite("replaces secrets that it cannot read by those that are given", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const { upstreams } = given.withKeys(OTHER_KEY);
    const next = someSettings({
      headers: { "X-One": "new", "X-Two": "new" },
      auth: { type: "bearer", token: "new" },
    });
    const changed = await upstreams.update("a", 1, { settings: next });
    assertEquals([changed.settings, changed.unreadable], [next, undefined]);
  });

  suite("forgets unreadable secrets with the settings", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const { upstreams } = given.withKeys(OTHER_KEY);
    await upstreams.update("a", 1, { declared: true, settings: undefined });
    const row = await upstreams.update("a", 2, { declared: false, settings: someSettings() });
    assertEquals([row.settings, row.unreadable], [someSettings(), undefined]);
  });
}

function resealCases(suite: Suite): void {
  suite("seals every secret anew, and then needs the previous key no more", async (given) => {
    for (let i = 0; i < 100; i++) {
      await given.upstreams.create({ ...aRow(`a${i}`), settings: SETTINGS });
    }
    const ring = createKeyring(OTHER_KEY, KEY);
    const counts = await resealSecrets(given.database, ring);
    assertEquals(counts, { resealed: 300, current: 0, unreadable: 0, unreadableOf: [] });
    const again = await resealSecrets(given.database, ring);
    assertEquals(again, { resealed: 0, current: 300, unreadable: 0, unreadableOf: [] });
    const rows = await given.withKeys(OTHER_KEY).upstreams.list();
    assertEquals(rows.filter(({ unreadable }) => unreadable !== undefined), []);
    assertEquals(rows.map(({ settings }) => settings), Array(100).fill(SETTINGS));
  });

  suite("leaves everything else as it is when it seals anew", async (given) => {
    const before = await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    await given.upstreams.create({ ...aRow("b"), declared: true, settings: undefined });
    await resealSecrets(given.database, createKeyring(OTHER_KEY, KEY));
    assertEquals(await given.withKeys(OTHER_KEY).upstreams.find("a"), before);
    assertEquals(await given.changes.revision(), 2);
  });

  suite("counts what neither key opens, and leaves it for the key that does", async (given) => {
    await given.upstreams.create({ ...aRow("a"), settings: SETTINGS });
    const strangers = createKeyring(OTHER_KEY, `${OTHER_KEY} again`);
    const counts = await resealSecrets(given.database, strangers);
    assertEquals(counts, {
      resealed: 0,
      current: 0,
      unreadable: 3,
      unreadableOf: ["upstream server a"],
    });
    assertEquals((await given.upstreams.find("a"))?.settings, SETTINGS);
  });

  suite("seals anew while others write, and loses neither", async (given) => {
    const { upstreams } = given.withKeys(OTHER_KEY, KEY);
    for (let i = 0; i < 20; i++) {
      await given.upstreams.create({ ...aRow(`a${i}`), settings: SETTINGS });
    }
    const changed = { ...SETTINGS, title: "T" };
    await Promise.all([
      resealSecrets(given.database, createKeyring(OTHER_KEY, KEY)),
      ...Array.from(
        { length: 20 },
        (_, i) => upstreams.update(`a${19 - i}`, 1, { settings: changed }),
      ),
      upstreams.remove("a10").then(() => upstreams.create(aRow("new"))),
    ].map((work) =>
      Promise.resolve(work).catch((error) => {
        if (error.code !== "not_found") throw error;
      })
    ));
    const rows = await given.withKeys(OTHER_KEY).upstreams.list();
    const titles = rows.filter(({ id }) => id !== "new").map(({ settings }) => settings);
    assertEquals(titles, Array(19).fill(changed));
  });
}

interface Kept {
  readonly headers: Record<string, string>;
  readonly auth?: string;
}

async function kept({ database }: Given, id: string): Promise<Kept> {
  const { settings } = await database.run((db) =>
    db.selectFrom("servers").select("settings").where("id", "=", id).executeTakeFirstOrThrow()
  );
  return JSON.parse(settings!);
}

async function put({ database }: Given, id: string, settings: Kept): Promise<void> {
  await database.run((db) =>
    db.updateTable("servers").set({ settings: JSON.stringify(settings) })
      .where("id", "=", id).execute()
  );
}

async function dump({ database }: Given): Promise<string> {
  const rows = await database.run((db) => db.selectFrom("servers").selectAll().execute());
  return JSON.stringify(rows);
}
