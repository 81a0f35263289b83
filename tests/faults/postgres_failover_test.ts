/**
 * F32 to F35: a PostgreSQL that takes no more connections or no more writes, that a later version has
 * migrated, or that gives transactions up, while replicas serve.
 *
 * @module
 * @see security.md, section 5.3; docs/database.md
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { type Api, openApi } from "../support/api_client.ts";
import { type Everything, startEverything } from "../support/everything.ts";
import { figure, timed } from "../support/figures.ts";
import {
  entryOf,
  type Fleet,
  type FleetOptions,
  isGood,
  longTest,
  openFleet,
} from "../support/fleet.ts";
import { until } from "../support/until.ts";

const AT_ONCE = 40;

interface World extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly upstream: Everything;
  readonly api: Api;
  /** Makes a team, and gives the status. */
  readonly change: (name?: string) => Promise<number>;
  readonly call: () => Promise<boolean>;
  /** Ends all connections of the replicas. */
  readonly disconnect: () => Promise<unknown>;
}

async function openWorld(options: FleetOptions): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startEverything());
  const servers = { everything: entryOf(upstream.origin) };
  const fleet = stack.use(await openFleet({ ...options, servers }));
  const api = await openApi(() => fleet.origin);
  const kept = stack.move();
  return {
    fleet,
    upstream,
    api,
    async change(name = `team-${crypto.randomUUID().slice(0, 13)}`) {
      return (await api.call("POST", "/teams", { body: { name, slug: name } })).status;
    },
    call: () => fleet.call("everything", "test_simple_text").then(isGood).catch(() => false),
    disconnect: () =>
      fleet.schema.ask(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${fleet.user}'`,
      ),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function untilChanged({ change }: World): Promise<number> {
  return timed(() => until("a change", async () => await change() === 201, 30_000));
}

longTest("F32: where no more connections are to be had, changes are refused in time", async () => {
  await using world = await openWorld({ count: 1, hasUser: true });
  const { fleet } = world;
  await fleet.schema.ask(`alter role ${fleet.user} connection limit 1`);
  await world.disconnect();
  let longest = 0;
  let stall = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const ms = await timed(async () => await (await fetch(`${fleet.origin}/health`)).text());
      stall = Math.max(stall, ms);
    }
  })();
  const statuses = await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    let status = 0;
    const ms = await timed(async () => status = await world.change());
    longest = Math.max(longest, ms);
    return status;
  }));
  isOver = true;
  await watching;
  assert(await world.call());
  figure("F32", "no connections: longest wait for an answer", longest, "at most 7000", " ms");
  figure("F32", "longest answer of /health meanwhile", stall, "no stall", " ms");
  assertEquals(statuses.filter((status) => ![201, 503].includes(status)), []);
  assert(statuses.includes(503));
  await fleet.schema.ask(`alter role ${fleet.user} connection limit -1`);
  figure("F32", "changes work again after", await untilChanged(world), "at most 5000", " ms");
});

longTest(
  "F33: a primary that takes no writes is told of, and left as soon as there is another",
  async () => {
    await using world = await openWorld({ hasUser: true });
    const { fleet } = world;
    assertEquals(await world.change(), 201);
    await fleet.schema.ask(`alter role ${fleet.user} set default_transaction_read_only = on`);
    await world.disconnect();
    const statuses = new Set<number>();
    await until("the refusal", async () => {
      statuses.add(await world.change());
      return statuses.has(503);
    });
    for (let i = 0; i < 20; i++) statuses.add(await world.change());
    assert(await world.call());
    assertEquals([...statuses].filter((status) => ![201, 503].includes(status)), []);
    // Of those who connect from now on, as behind a name that leads elsewhere.
    await fleet.schema.ask(`alter role ${fleet.user} set default_transaction_read_only = off`);
    figure(
      "F33",
      "read-only primary: changes work again after",
      await untilChanged(world),
      "at most 10000",
      " ms",
    );
  },
);

/** What a later version may do: what there is stays as it is. */
const LATER = `create table later_things (id text primary key);
  alter table teams add column later text;
  alter table servers add column later bigint not null default 0;
  insert into sallyport_migrations (name, applied_ms) values ('9999_later', 0)`;

longTest(
  "F34: replicas work, and start, on a database that a later version has migrated",
  async () => {
    await using world = await openWorld({ count: 2, env: { DRAIN_DELAY: "2s" } });
    const { fleet } = world;
    let isOver = false;
    const failed: unknown[] = [];
    let made = 0;
    const traffic = (async () => {
      while (!isOver) {
        const [status, isCalled] = await Promise.all([world.change(), world.call()]);
        made += 2;
        if (status !== 201 || !isCalled) failed.push({ status, isCalled });
      }
    })();
    await until("some traffic", () => made > 20);
    await fleet.schema.ask(LATER);
    // The one that is taken back to this version.
    const [replica] = fleet.replicas;
    assertEquals(await replica!.stop(), 0);
    await replica!.start();
    await until("both", () => fleet.balancer.inUse().length === 2);
    const so = made;
    await until("more of it", () => made > so + 20);
    isOver = true;
    await traffic;
    figure(
      "F34",
      `migrated under two replicas, one restarted: of ${made} requests failed`,
      failed.length,
      "0",
    );
    assertEquals(failed, []);
  },
);

/** Every second team is given up once; a sequence counts whatever becomes of the transaction. */
const GIVES_UP = `create sequence tries;
  create function give_up() returns trigger language plpgsql as $$
  declare nth bigint := nextval('tries');
  begin
    if nth % 2 = 1 then
      raise exception 'given up' using errcode = case when nth % 4 = 1 then '40001' else '40P01' end;
    end if;
    return new;
  end $$;
  create trigger give_up before insert on teams for each row execute function give_up()`;

longTest("F35: a transaction that is given up is made again, and nobody sees it", async () => {
  await using world = await openWorld({ count: 1 });
  const { fleet } = world;
  await fleet.schema.ask(GIVES_UP);
  const statuses: number[] = [];
  for (let i = 0; i < 20; i++) statuses.push(await world.change(`again-${i}`));
  const [row] = await fleet.schema.ask("select last_value from tries");
  const [{ count }] = await fleet.schema.ask(
    "select count(*) from teams where slug like 'again-%'",
  ) as unknown as [{ count: string }];
  figure(
    "F35",
    `${statuses.length} changes, given up`,
    Number(row!.last_value) - statuses.length,
    "invisible",
  );
  figure(
    "F35",
    "changes that a client saw fail",
    statuses.filter((one) => one !== 201).length,
    "0",
  );
  assertEquals([new Set(statuses), Number(count)], [new Set([201]), statuses.length]);
});
