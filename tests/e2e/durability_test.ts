/**
 * `kill -9` while administrators write, again and again on one database: what was acknowledged is
 * there after the next start, what was not is there whole or not at all, and the file is sound.
 *
 * `GATEWAY_KILL_ROUNDS` says how often; the time between is random (`TEST_SEED`).
 *
 * @module
 * @see issue 4, "Shown by", 5
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Api } from "../support/api_client.ts";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import { often } from "../support/long.ts";
import { postgresTest } from "../support/postgres.ts";
import { aTool } from "../support/shelf_world.ts";
import { type Seeded, seeded } from "../support/seeded.ts";

const ROUNDS = Number(Deno.env.get("GATEWAY_KILL_ROUNDS") ?? often(10, 3));
const LIFE_MS_MAX = 150;
const WRITERS = 8;
/** Of each writer, so that records are changed and deleted, too. */
const NAMES = 6;

/** A record's title; `undefined` for none. */
type State = string | undefined;

/** What is known of one record, by its slug. */
interface Known {
  state: State;
  /** What was asked for last, and not answered. */
  asked: { readonly state: State } | undefined;
}

type Book = Map<string, Known>;

for (const database of ["sqlite", "postgres"] as const) {
  const test = database === "postgres" ? postgresTest : Deno.test;
  test(`${database}: ${ROUNDS} times killed in writes, the gateway loses none`, async () => {
    const random = seeded(`${database}, killed in writes`);
    await using world = await openApiWorld({ database, declared: { shop: { tools: TOOLS } } });
    const book: Book = new Map();
    let written = 0;
    for (let round = 0; round < ROUNDS; round++) {
      written += await writeUntilKilled(world, book, random);
      if (database === "sqlite") assertEquals(faultsIn(`${world.dataDir}/sallyport.db`), ["ok"]);
      await world.start();
      assertEquals(lost(book, await statesIn(world.api)), []);
    }
    assert(written >= ROUNDS, `${written} were acknowledged`);
  });
}

const TOOLS = Array.from({ length: WRITERS }, (_, i) => aTool(`t${i}`));

/** @returns how many writes were acknowledged */
async function writeUntilKilled(world: ApiWorld, book: Book, random: Seeded): Promise<number> {
  const tools = await world.api.all("/tools");
  const first = Promise.withResolvers<void>();
  let isOver = false;
  let written = 0;
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const tool = tools.find(({ upstreamName }) => upstreamName === `t${writer}`).id;
    while (!isOver) {
      const change = changeOf(book, random, writer, tool);
      const known = book.get(change.key) ?? { state: undefined, asked: undefined };
      book.set(change.key, known);
      known.asked = { state: change.state };
      const { method, path, body } = change;
      const reply = await world.api.call(method, path, { body }).catch(() => undefined);
      if (reply === undefined) return;
      assert(reply.status < 300, `${method} ${path} gave ${reply.status}: ${reply.text}`);
      known.state = change.state;
      known.asked = undefined;
      written++;
      first.resolve();
    }
  });
  await Promise.race([first.promise, ...writers]);
  // Not a wait for something: the moment of death is what is tried out.
  await new Promise((resolve) => setTimeout(resolve, random.below(LIFE_MS_MAX)));
  await world.stop("SIGKILL");
  isOver = true;
  await Promise.all(writers);
  return written;
}

interface Change {
  readonly key: string;
  readonly state: State;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** One that must succeed: nobody else writes these records. */
function changeOf(book: Book, random: Seeded, writer: number, tool: string): Change {
  const title = crypto.randomUUID();
  const noun = random.pick(["servers", "upstreams", "tools"]);
  if (noun === "tools") {
    const path = `/tools/${tool}`;
    return { key: path, state: title, method: "PATCH", path, body: { title } };
  }
  // Slugs are one space, whatever has them.
  const name = `${noun}-${writer}-${random.below(NAMES)}`;
  const path = `/${noun}/${name}`;
  if (book.get(path)?.state === undefined) {
    // One that is switched off is asked for nothing.
    const place = noun === "servers" ? {} : { url: "http://one.invalid/mcp", enabled: false };
    const body = { name, title, ...place };
    return { key: path, state: title, method: "POST", path: `/${noun}`, body };
  }
  if (random.below(3) === 0) {
    return { key: path, state: undefined, method: "DELETE", path, body: undefined };
  }
  return { key: path, state: title, method: "PATCH", path, body: { title } };
}

async function statesIn(api: Api): Promise<ReadonlyMap<string, State>> {
  const states = new Map<string, State>();
  for (const noun of ["servers", "upstreams"]) {
    for (const { slug, title, declared } of await api.all(`/${noun}`)) {
      if (!declared) states.set(`/${noun}/${slug}`, title);
    }
  }
  for (const { id, title } of await api.all("/tools")) {
    if (title !== undefined) states.set(`/tools/${id}`, title);
  }
  return states;
}

/** What is neither as acknowledged nor as asked for last. What is there is taken for known. */
function lost(book: Book, states: ReadonlyMap<string, State>): string[] {
  const unknown = [...states.keys()].filter((key) => !book.has(key));
  const wrong = [...book].flatMap(([key, known]) => {
    const state = states.get(key);
    const isRight = state === known.state || (known.asked && state === known.asked.state);
    const said = `${key} is ${state}, acknowledged ${known.state}`;
    known.state = state;
    known.asked = undefined;
    return isRight ? [] : [said];
  });
  return [...unknown, ...wrong];
}

function faultsIn(path: string): unknown[] {
  using db = new DatabaseSync(path);
  return db.prepare("pragma integrity_check").all().map((row) => row.integrity_check);
}
