/**
 * Two hundred principals who do everything there is to do at once, with the same ids and progress
 * tokens, in sessions and without, at servers of both eras: each hears of itself and of nobody else.
 *
 * All that is said carries the mark of whom it is for, so that one foreign byte shows as a mark.
 * `GATEWAY_MIXED_CALLS=100000` does it as often as that.
 *
 * @module
 * @see security.md, SESS-03, SESS-14, SESS-17; contract.md, section 7, 4
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import { often } from "../support/long.ts";
import type { Message } from "../support/modern.ts";
import { aTool, configOf, openShelfWorld, type ShelfWorld } from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import {
  type Client,
  type Coming,
  modernClient,
  responseOf,
  type SessionClient,
  sessionClient,
  type Who,
} from "./mixed_calls_client.ts";
import { MARK, playMarked, SHARED_OFFER } from "./mixed_calls_server.ts";

const CALLS = Number(Deno.env.get("GATEWAY_MIXED_CALLS") ?? often(10_000, 4_000));
const PRINCIPALS = 200;
/** Principals whose sessions have their own stream open. */
const LISTENERS = 50;

/** What came of it all. */
interface Story {
  readonly sent: number;
  /** How often each thing was done. */
  readonly done: ReadonlyMap<string, number>;
  /** What did not come out as it should. */
  readonly failures: readonly string[];
  /** Marks of others among what came to a principal. */
  readonly foreign: readonly string[];
  /** Requests and sessions of two at a server. */
  readonly mixed: readonly string[];
}

let story: Story;

Deno.test.beforeAll(async () => {
  story = await play();
  const kinds = [...story.done].map(([what, count]) => `${what} ${count}`).join(", ");
  console.log(`${story.sent} requests of ${PRINCIPALS} principals: ${kinds}`);
});

Deno.test(`SESS-03, SESS-14: of ${CALLS} mixed calls by ${PRINCIPALS} principals with the same ids none brings a byte of another`, () => {
  assertEquals(story.foreign.slice(0, 20), []);
  assert(story.sent >= CALLS, `${story.sent} requests were sent`);
});

Deno.test("SESS-17: no session at a server, and no request there, is of two principals", () => {
  assertEquals(story.mixed.slice(0, 20), []);
});

Deno.test("each of these calls came to its own end", () => {
  assertEquals(story.failures.slice(0, 20), []);
  assertEquals([...story.done.keys()].sort(), Object.keys(DEEDS).sort());
});

// ── What is done ────────────────────────────────────────────────────────────────────────────────

/** A principal with its clients: in sessions and without, at each kind of server. */
interface Member {
  readonly index: number;
  readonly mark: string;
  readonly inSession: Readonly<Record<Place, SessionClient>>;
  readonly alone: Readonly<Record<Place, Client>>;
  /** The own stream of its session at `both`. */
  readonly own: Coming | undefined;
}

/** Servers of both eras, of that of sessions, of the other one, and what `/mcp` makes of all. */
const PLACES = {
  both: "/servers/both/mcp",
  old: "/servers/old/mcp",
  new: "/servers/new/mcp",
  all: "/mcp",
} as const;
type Place = keyof typeof PLACES;

/** @throws when it does not come out as it should */
type Deed = (member: Member) => Promise<unknown>;

const DEEDS: Readonly<Record<string, Deed>> = {
  ...everywhere("echo", ({ mark }, client) => expectMark(mark, client.ask(...tool("echo", mark)))),
  ...everywhere("steps", async ({ mark }, client) => {
    const coming = await client.open(...tool("steps", mark));
    const last = await coming.message(({ params }) => (params as Message)?.progress === 3);
    await expectMark(mark, Promise.resolve(last));
    await expectMark(mark, responseOf(coming));
  }),
  ...everywhere("list", ({ mark }, client) => expectMark(mark, client.ask("tools/list"))),
  ...everywhere(
    "read",
    ({ mark }, client) => expectMark(mark, client.ask("resources/read", { uri: `mark://${mark}` })),
  ),
  ...everywhere("prompt", ({ mark }, client) => {
    const params = { name: "prompt", arguments: { mark } };
    return expectMark(mark, client.ask("prompts/get", params));
  }),
  ...everywhere("complete", ({ mark }, client) => {
    const ref = { type: "ref/resource", uri: "mark://{mark}" };
    const params = { ref, argument: { name: "mark", value: mark } };
    return expectMark(mark, client.ask("completion/complete", params));
  }),
  ...inSessions("ask", async ({ mark }, client) => {
    const coming = await client.open(...tool("ask", mark));
    const { id, params } = await coming.message(({ method }) =>
      method === "sampling/createMessage"
    );
    await expectMark(mark, Promise.resolve({ params: params! }));
    const content = { type: "text", text: `told ${mark}` };
    await client.answer(id!, { role: "assistant", model: "none", content });
    await expectMark(`told ${mark}`, responseOf(coming));
  }),
  ...alone("ask", async ({ mark }, client) => {
    const [method, params] = tool("ask", mark);
    const { result } = await client.ask(method, params);
    const { inputRequests, requestState } = result as { [member: string]: Message };
    await expectMark(mark, Promise.resolve(inputRequests!));
    const content = { type: "text", text: `told ${mark}` };
    const answer = { role: "assistant", model: "none", content };
    const inputResponses = Object.fromEntries(
      Object.keys(inputRequests!).map((key) => [key, answer]),
    );
    const more = { ...params, inputResponses, requestState: requestState! };
    await expectMark(`told ${mark}`, client.ask(method, more));
  }),
  ...inSessions("cancel", async ({ mark }, client) => {
    const coming = await client.open(...tool("slow", mark));
    await client.cancel();
    await coming.leave();
  }),
  ...alone("leave", async ({ mark }, client) => {
    // Progress is there for it to be under way.
    const coming = await client.open(...tool("steps", mark));
    await coming.leave();
  }),
  ...inSessions("resume", async ({ mark }, client) => {
    const lost = await client.open(...tool("steps", mark));
    const id = await lost.eventId();
    await lost.leave();
    await expectMark(mark, responseOf(await client.listen(id)));
  }),
  "aside in a session at both": async ({ mark, own, inSession }) => {
    if (own === undefined) return;
    const text = `${mark} ${crypto.randomUUID()}`;
    await inSession.both.ask("tools/call", { name: "aside", arguments: { text } });
    await own.message(({ params }) => ((params as Message).data as Message)?.text === text);
  },
  "subscribe alone at old": async ({ mark, alone }) => {
    const notifications = { resourceSubscriptions: [`mark://${mark}`] };
    const coming = await alone.old.open("subscriptions/listen", { notifications });
    await coming.message(({ method }) => String(method).endsWith("acknowledged"));
    await alone.old.ask(...tool("touch", mark));
    await expectMark(mark, coming.message(({ method }) => String(method).endsWith("/updated")));
    await coming.leave();
  },
  "own items in a session": ({ index, mark, inSession }) => ownItems(index, mark, inSession.all),
  "own items alone": ({ index, mark, alone }) => ownItems(index, mark, alone.all),
};

/** Sees its own private server, can use it, and not that of the next. */
async function ownItems(index: number, mark: string, client: Client): Promise<void> {
  await expectMark(mark, client.ask("tools/list"));
  const call = (at: number) =>
    client.ask("tools/call", { name: `own-${at}-echo`, arguments: { mark } });
  await expectMark(mark, call(index));
  const { error } = await call((index + 1) % PRINCIPALS);
  assertEquals((error as Message)?.code, -32602);
}

function tool(name: string, mark: string): [method: string, params: Message] {
  return ["tools/call", { name, arguments: { mark } }];
}

async function expectMark(mark: string, message: Promise<Message>): Promise<void> {
  const text = JSON.stringify(await message);
  assert(text.includes(mark), text.slice(0, 500));
}

type DeedOf<C> = (member: Member, client: C) => Promise<unknown>;

function inSessions(what: string, deed: DeedOf<SessionClient>): Record<string, Deed> {
  return Object.fromEntries((["both", "old", "new"] as const).map((place) => [
    `${what} in a session at ${place}`,
    (member: Member) => deed(member, member.inSession[place]),
  ]));
}

function alone(what: string, deed: DeedOf<Client>): Record<string, Deed> {
  return Object.fromEntries((["both", "old", "new"] as const).map((place) => [
    `${what} alone at ${place}`,
    (member: Member) => deed(member, member.alone[place]),
  ]));
}

function everywhere(what: string, deed: DeedOf<Client>): Record<string, Deed> {
  return { ...inSessions(what, deed), ...alone(what, deed) };
}

// ── The crowd ───────────────────────────────────────────────────────────────────────────────────

async function play(): Promise<Story> {
  const [foreign, mixed, failures]: string[][] = [[], [], []];
  const done = new Map<string, number>();
  let sent = 0;
  const marks = Array.from({ length: PRINCIPALS }, newMark);
  await using world = await openWorld(marks, (what) => mixed!.push(what));
  const members = await inTurns(marks.map((mark, index) => async () => {
    const heard = (text: string) => {
      const strange = new Set(text.match(MARK)).difference(new Set([mark]));
      if (strange.size > 0) foreign!.push(`${index}: ${[...strange]} in ${text.slice(0, 300)}`);
    };
    const token = await mintToken({ sub: subjectOf(index), teams: ["crowd"] });
    const who = { origin: world.origin, token, mark, heard, sent: () => void sent++ };
    return await openMember(who, index);
  }));
  const deeds = Object.entries(DEEDS);
  await Promise.all(members.map(async (member) => {
    // At any time everybody does something else, under ids that others use as well.
    for (let nth = 0; sent < CALLS; nth++) {
      const [what, deed] = deeds[(nth + member.index) % deeds.length]!;
      try {
        await deed(member);
        done.set(what, (done.get(what) ?? 0) + 1);
      } catch (error) {
        failures!.push(`${member.index}, ${what}: ${error}`.slice(0, 1_000));
      }
    }
  }));
  for (const { own } of members) await own?.leave();
  return { sent, done, failures: failures!, foreign: foreign!, mixed: mixed! };
}

async function openMember(who: Who, index: number): Promise<Member> {
  const places = Object.entries(PLACES);
  const inSession = Object.fromEntries(
    await Promise.all(places.map(async ([place, path]) => [place, await sessionClient(who, path)])),
  ) as Record<Place, SessionClient>;
  const alone = Object.fromEntries(
    places.map(([place, path]) => [place, modernClient(who, path)]),
  ) as Record<Place, Client>;
  const own = index < LISTENERS ? await inSession.both.listen() : undefined;
  return { index, mark: who.mark, inSession, alone, own };
}

/** Three servers for all, and one for each principal that nobody else may see. */
async function openWorld(
  marks: readonly string[],
  mixed: (what: string) => void,
): Promise<ShelfWorld> {
  const world = await openShelfWorld();
  const shared = [
    world.stand("both", SHARED_OFFER),
    world.stand("old", { ...SHARED_OFFER, era: "session" }),
    world.stand("new", { ...SHARED_OFFER, era: "modern" }),
  ];
  for (const stand of shared) playMarked(stand, mixed);
  const own = marks.map((mark, index) => {
    const stand = world.stand(`own-${index}`, { tools: [aTool("echo", { description: mark })] });
    stand.on("tools/call", () => ({ content: [{ type: "text", text: mark }] }));
    return [stand, { visibility: "private", owner: subjectOf(index) }] as const;
  });
  await Deno.writeTextFile(
    world.configFile,
    JSON.stringify(configOf({ stands: [...shared.map((one) => [one, {}] as const), ...own] })),
  );
  await world.start({ UPSTREAM_CONCURRENCY: String(4 * PRINCIPALS) });
  const api = await openApi(() => world.origin);
  const tools = async () => (await api.must("GET", "/tools?limit=500")).json.items.length;
  const all = async () => await tools() === PRINCIPALS + shared.length;
  await until("all tools are known", all, 60_000);
  return world;
}

/** So many at once, that opening a crowd is no test of its own. */
async function inTurns<T>(jobs: readonly (() => Promise<T>)[], atOnce = 20): Promise<T[]> {
  const results: T[] = [];
  for (let from = 0; from < jobs.length; from += atOnce) {
    results.push(...await Promise.all(jobs.slice(from, from + atOnce).map((job) => job())));
  }
  return results;
}

function subjectOf(index: number): string {
  return `member-${index}@example.com`;
}

function newMark(): string {
  return `mark-${crypto.getRandomValues(new Uint8Array(12)).toHex()}`;
}
