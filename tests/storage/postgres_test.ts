/**
 * PostgreSQL as it fails: connections lost in the middle, all in use, nobody there, nobody
 * answering.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { sql } from "kysely";
import { GatewayError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { type Database, DatabaseRefused } from "../../src/storage/database.ts";
import { parseDatabaseUrl, type PostgresUrl } from "../../src/storage/database_url.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { aRow, itemChanges, manyItems } from "../support/catalog_rows.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { openFaultProxy } from "../support/fault_proxy.ts";
import { openPlace } from "../support/open_databases.ts";
import { type OwnSchema, ownSchema, ownUser, postgresTest } from "../support/postgres.ts";
import { denoRun, runProgram } from "../support/program.ts";
import { until } from "../support/until.ts";

const UNAVAILABLE = { code: "unavailable", message: "The database cannot be used at the moment" };
const SSL_REQUEST_BYTES = 8;
const PASSWORD = "hidden-0a9b8c";

const put = (database: Database, name: string) =>
  database.run((db) => db.insertInto("facts").values({ name, value: "" }).execute());

const pidOf = async (db: Parameters<Parameters<Database["transaction"]>[0]>[0]) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]!.pid;

/** Ends a connection of the gateway's, and waits until it is gone. */
async function killed(schema: OwnSchema, pid: number): Promise<void> {
  await schema.ask(`select pg_terminate_backend(${pid})`);
  await until("the end of the connection", async () => {
    const rows = await schema.ask(`select 1 from pg_stat_activity where pid = ${pid}`);
    return rows.length === 0;
  });
  // The news arrives with a later turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 50));
}

postgresTest(
  "nothing of a transaction is kept whose connection is lost in the middle",
  async () => {
    await using schema = await ownSchema();
    await using database = openPlace(schema.url);
    await migrate(database, { clock });
    const broken = database.transaction(async (db) => {
      await db.insertInto("facts").values({ name: "before", value: "" }).execute();
      await killed(schema, await pidOf(db));
      // Whoever asks now gets the place's connection made again: it must not serve this transaction.
      await Promise.all(Array.from({ length: 30 }, (_, i) => put(database, `other ${i}`)));
      await db.insertInto("facts").values({ name: "after", value: "" }).execute();
    });
    await assertRejects(broken, UNAVAILABLE);
    const rows = await schema.ask("select name from facts where name in ('before', 'after')");
    assertEquals([...rows], []);
    assertEquals((await schema.ask("select name from facts")).length, 30);
  },
);

postgresTest(
  "a discovery whose connection is lost changes nothing, and can be repeated",
  async () => {
    await using schema = await ownSchema();
    await using database = openPlace(schema.url);
    await migrate(database, { clock });
    const tables = createCatalogTables(database, {
      clock,
      keyring: createKeyring("the key of these tests, long enough", undefined),
    });
    await tables.upstreams.create(aRow("up"));
    const changes = itemChanges({ inserted: manyItems(5000) });
    const broken = tables.items.apply("up", changes);
    const failure = assertRejects(broken, UNAVAILABLE);
    const writing = "select pid from pg_stat_activity where query like 'insert into \"items\"%' " +
      "and application_name = 'sallyport'";
    const pid = await until("the discovery to write", async () => {
      return (await schema.ask(writing))[0]?.pid as number | undefined;
    });
    await schema.ask(`select pg_terminate_backend(${pid})`);
    await failure;
    assertEquals((await schema.ask("select 1 from items")).length, 0);
    await tables.items.apply("up", changes);
    assertEquals((await tables.items.listOf("up")).length, 5000);
  },
);

postgresTest("after a restart of the server questions are answered again", async () => {
  await using schema = await ownSchema();
  await using database = openPlace(schema.url);
  await migrate(database, { clock });
  const pids = await Promise.all(Array.from({ length: 5 }, () => database.transaction(pidOf)));
  for (const pid of new Set(pids)) await killed(schema, pid);
  await Promise.all(Array.from({ length: 5 }, (_, i) => put(database, `${i}`)));
  assertEquals((await schema.ask("select 1 from facts")).length, 5);
});

postgresTest("whoever finds all connections in use is told so in time", async () => {
  await using schema = await ownSchema();
  const time = fakeClock();
  const timers = fakeTimers(time);
  await using database = openPlace(schema.url, timers);
  const gate = Promise.withResolvers<void>();
  const begun: PromiseWithResolvers<void>[] = [];
  const holding = Array.from({ length: LIMITS.databaseConnections }, () => {
    const started = Promise.withResolvers<void>();
    begun.push(started);
    return database.transaction(async (db) => {
      await pidOf(db);
      started.resolve();
      await gate.promise;
    });
  });
  await Promise.all(begun.map(({ promise }) => promise));
  const late = [1, 2].map(() => assertRejects(database.transaction(pidOf), UNAVAILABLE));
  await until("both to wait", () => timers.open() === 2);
  timers.advance(LIMITS.databasePoolMs);
  await Promise.all(late);
  const next = database.transaction(pidOf);
  await until("the next to wait", () => timers.open() === 1);
  gate.resolve();
  await Promise.all(holding);
  assert(await next > 0);
});

postgresTest("no more connections are made than allowed", async () => {
  await using schema = await ownSchema();
  await using database = openPlace(schema.url);
  const pids = await Promise.all(Array.from({ length: 200 }, () => database.transaction(pidOf)));
  assert(new Set(pids).size <= LIMITS.databaseConnections, String(new Set(pids).size));
});

postgresTest("transactions that PostgreSQL gives up are run again, unseen", async () => {
  await using schema = await ownSchema();
  await using database = openPlace(schema.url);
  await migrate(database, { clock });
  for (const name of ["a", "b"]) await put(database, name);
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let attempts = 0;
  /** Each locks one row and then wants the other's. */
  const crossed = (mine: number) =>
    database.transaction(async (db) => {
      attempts++;
      const lock = (name: string) =>
        db.updateTable("facts").set(({ eb }) => ({ value: eb("value", "||", `${mine}`) }))
          .where("name", "=", name).execute();
      await lock("ab"[mine]!);
      gates[mine]!.resolve();
      await gates[1 - mine]!.promise;
      await lock("ab"[1 - mine]!);
    });
  await Promise.all([crossed(0), crossed(1)]);
  assert(attempts > 2, String(attempts));
  const rows = await schema.ask("select length(value) as length from facts");
  assertEquals(rows.map(({ length }) => length), [2, 2]);
});

async function migrated({ url }: OwnSchema): Promise<void> {
  await using database = openPlace(url);
  await migrate(database, { clock });
}

postgresTest(
  "a server that takes no more connections is unavailable, and later it is not",
  async () => {
    await using schema = await ownSchema();
    await migrated(schema);
    await using user = await ownUser(schema);
    await schema.ask(`alter role ${user.url.user} connection limit 1`);
    await using late = openPlace(user.url);
    {
      await using early = openPlace(user.url);
      await put(early, "early");
      await assertRejects(put(late, "late"), UNAVAILABLE);
    }
    await until("the connection to be free", () => put(late, "late").then(() => true, () => false));
  },
);

postgresTest("a primary that has become read-only is left for what its name leads to", async () => {
  await using schema = await ownSchema();
  await migrated(schema);
  await using user = await ownUser(schema);
  await schema.ask(`alter role ${user.url.user} set default_transaction_read_only = on`);
  await using database = openPlace(user.url);
  await Promise.all(Array.from({ length: 5 }, () => database.snapshot(pidOf)));
  // Of those who connect from now on: the connections that are open stay as they are.
  await schema.ask(`alter role ${user.url.user} set default_transaction_read_only = off`);
  await assertRejects(put(database, "before"), UNAVAILABLE);
  await put(database, "after");
});

postgresTest("what other processes do is heard, also after the connection was lost", async () => {
  await using schema = await ownSchema();
  await using other = openPlace(schema.url);
  await using proxy = await openFaultProxy(schema.url.port, schema.url.host);
  await using database = openPlace({ ...schema.url, port: proxy.port });
  let heard = 0;
  database.follow(() => heard++);
  for (const count of [1, 2]) {
    await until("a connection", () => database.ping().then(() => true, () => false));
    await other.transaction(pidOf);
    await until("the news", () => heard === count);
    proxy.reset();
  }
});

postgresTest("polls are answered while all other connections are in use", async () => {
  await using schema = await ownSchema();
  await using database = openPlace(schema.url);
  const gate = Promise.withResolvers<void>();
  const holding = Array.from(
    { length: LIMITS.databaseConnections },
    () =>
      database.transaction(async (db) => {
        await pidOf(db);
        await gate.promise;
      }),
  );
  await assertRejects(database.transaction(pidOf), UNAVAILABLE);
  await database.ping();
  gate.resolve();
  await Promise.all(holding);
});

postgresTest("a user that is not there is a mistake, and nothing to wait for", async () => {
  await using schema = await ownSchema();
  await using database = openPlace({ ...schema.url, user: "sallyport_test_nobody" });
  await assertRejects(database.ping(), DatabaseRefused);
});

postgresTest("integers are numbers, however PostgreSQL sends them", async () => {
  await using schema = await ownSchema();
  await using database = openPlace(schema.url);
  const { rows } = await database.run((db) =>
    sql`select count(*) as a, max(x) as b, ${2 ** 53 - 1}::bigint as c
      from (values (1::bigint), (-5::bigint)) as v (x)`.execute(db)
  );
  assertEquals({ ...rows[0]! }, { a: 2, b: 1, c: 2 ** 53 - 1 });
});

postgresTest("nothing but the permissions of the gateway is needed", async () => {
  await using schema = await ownSchema();
  const flags = [
    "--no-prompt",
    "--no-check",
    "--allow-net",
    "--allow-env=NO_COLOR",
    "--ignore-env",
  ];
  const script = "tests/support/ask_database.ts";
  // A variable of PostgreSQL's own programs must not decide anything.
  const env = { PGHOST: "192.0.2.1", PGUSER: "nobody", PGDATABASE: "none", PGSSLMODE: "require" };
  const { stdout, stderr } = await runProgram([schema.text], { deno: denoRun(flags, script), env });
  assertEquals({ stdout, stderr }, { stdout: "1\n", stderr: "" });
});

Deno.test("a server that is not there is unavailable, and no password is told", async () => {
  await using database = openPlace(urlOf(closedPort()));
  await assertRejects(put(database, "a"), (error: GatewayError) => {
    assertEquals({ code: error.code, message: error.message }, UNAVAILABLE);
    assert(!Deno.inspect(error, { depth: 10 }).includes(PASSWORD));
    return true;
  });
});

Deno.test("a server that does not answer is unavailable in time", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  const timers = fakeTimers(fakeClock());
  await using database = openPlace(urlOf(listener.addr.port), timers);
  const refused = assertRejects(put(database, "a"), UNAVAILABLE);
  await until("the connection", () => connections.length > 0);
  timers.advance(LIMITS.databaseSilentMs);
  await refused;
  for (const connection of connections) connection.close();
  listener.close();
  await accepting;
});

postgresTest("a server that falls silent is given up in time, and asked again later", async () => {
  await using schema = await ownSchema();
  await using proxy = await openFaultProxy(schema.url.port, schema.url.host);
  const timers = fakeTimers(fakeClock());
  await using database = openPlace({ ...schema.url, port: proxy.port }, timers);
  await database.transaction(pidOf);
  proxy.set({ isHole: true });
  const refused = assertRejects(database.transaction(pidOf), UNAVAILABLE);
  await until("the question to be asked", () => timers.open() > 0);
  timers.advance(LIMITS.databaseSilentMs);
  await refused;
  proxy.set({});
  assert(await database.transaction(pidOf) > 0);
});

Deno.test("a server without TLS is sent nothing that TLS was to protect", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let heard = "";
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.write(new TextEncoder().encode("N"));
    const decoder = new TextDecoder("latin1");
    for await (const part of connection.readable) {
      heard += decoder.decode(part);
      if (heard.length > SSL_REQUEST_BYTES) break;
    }
  })().catch(() => {});
  await using database = openPlace({ ...urlOf(listener.addr.port), isTls: true });
  await assertRejects(put(database, "a"), UNAVAILABLE);
  await database.close();
  await serving;
  assert(heard.length > SSL_REQUEST_BYTES);
  assert(!heard.includes("somebody") && !heard.includes(PASSWORD), heard);
});

function urlOf(port: number): PostgresUrl {
  return parseDatabaseUrl(`postgres://somebody:${PASSWORD}@127.0.0.1:${port}/name`) as PostgresUrl;
}

function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
