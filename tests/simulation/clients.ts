/**
 * The clients of a simulation: each has sessions, sends requests to whichever replica, comes back for
 * what it has missed, and tells what it was told.
 *
 * @module
 */
import { GatewayError, ProtocolError } from "../../src/domain/errors.ts";
import { decodeClientMessage } from "../../src/mcp/message.ts";
import type { SessionEndpoint, Visitor } from "../../src/mcp/session/endpoint.ts";
import type { OutEvent, Reader } from "../../src/mcp/session/reader.ts";
import { SessionNotFound } from "../../src/mcp/session/session.ts";
import { sleep } from "../../src/platform/timers.ts";
import { bytesOf } from "../support/bytes.ts";
import type { Seeded } from "../support/seeded.ts";
import { aPrincipal } from "../support/upstream_calls.ts";
import { Broken, type createHistoryCheck, type createStreamCheck, lostOf } from "./checks.ts";
import { ENDPOINT, type Replica } from "./replica.ts";
import type { Schedule } from "./time.ts";
import type { Work } from "./upstream.ts";

export interface Clients {
  /** Does something at random. */
  readonly act: () => void;
  /** Ends what it holds. */
  readonly leave: () => void;
  /** Calls that wait for an answer. */
  readonly waiting: () => readonly string[];
}

export interface ClientsDeps {
  readonly schedule: Schedule;
  readonly random: Seeded;
  readonly replicas: () => readonly Replica[];
  readonly history: ReturnType<typeof createHistoryCheck>;
  readonly streams: ReturnType<typeof createStreamCheck>;
  /** How often Redis has gone on as it was before. */
  readonly failovers: () => number;
  readonly tell: (text: string) => void;
  /** Something has happened that must not. */
  readonly broken: (error: unknown) => void;
}

interface ClientSession {
  readonly id: string;
  readonly visitor: Visitor;
  readonly name: string;
  nextId: number;
  isOver: boolean;
  /** Of what it listens to. */
  lastEventId: string | undefined;
  isListening: boolean;
  /** By the server's session: the last number that it said, and whether a hole has been told since. */
  readonly heard: Map<string, number>;
  hasGap: boolean;
}

interface ClientCall {
  readonly name: string;
  readonly id: number;
  readonly work: Work;
  readonly session: ClientSession;
  lastEventId: string | undefined;
  /** The last message that the server has numbered. */
  heard: number;
  isOver: boolean;
}

class ConnectionReset extends Error {}

const NAMES = ["ann", "bob", "cy"];
const JSON_WINDOW_MS = 1_000;
const LATENCY_MS = 2;
/** More than one session of each, and fewer than there may be. */
const SESSIONS_MAX = 6;

export function createClients(deps: ClientsDeps): Clients {
  const { schedule, random, history, tell } = deps;
  const sessions = new Set<ClientSession>();
  const calls = new Set<ClientCall>();
  const readers = new Set<Reader>();
  let made = 0;
  let hasLeft = false;

  /** At a replica, unless that dies meanwhile. */
  function at<T>(replica: Replica, make: (endpoint: SessionEndpoint) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const alive = replica.onDeath(() => reject(new ConnectionReset()));
      if (replica.process.isDead()) reject(new ConnectionReset());
      replica.process.arrive(random.below(100) / 100 * LATENCY_MS, () => {
        make(replica.endpoint).then(resolve, reject).finally(alive);
      });
    });
  }

  const anywhere = () => random.pick(deps.replicas());
  const pause = (ms: number) =>
    new Promise<void>((resolve) => void schedule.after(ms, () => resolve()));

  /** Whatever goes wrong as it may. @throws what must not happen */
  function expected(error: unknown, session?: ClientSession): string {
    const isKnown = error instanceof GatewayError || error instanceof ProtocolError ||
      error instanceof ConnectionReset;
    if (!isKnown) throw error;
    if (error instanceof SessionNotFound) over(session);
    return error instanceof GatewayError ? error.code : error.message;
  }

  function over(session: ClientSession | undefined): void {
    if (session === undefined || session.isOver) return;
    session.isOver = true;
    sessions.delete(session);
    tell(`${session.name}: a session is over`);
  }

  async function open(): Promise<void> {
    const name = random.pick(NAMES);
    const visitor: Visitor = {
      principal: aPrincipal(name),
      endpoint: ENDPOINT,
      correlationId: "",
      address: () => "192.0.2.1",
      version: undefined,
      clientHeaders: new Map(),
    };
    const clientInfo = { name, version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: { elicitation: {} }, clientInfo };
    const hello = message({ id: 0, method: "initialize", params });
    try {
      const { sessionId: id } = await at(
        anywhere(),
        (endpoint) => endpoint.initialize(visitor, undefined, hello),
      );
      if (id === undefined) return;
      sessions.add({
        id,
        visitor,
        name,
        nextId: 1,
        isOver: false,
        lastEventId: undefined,
        isListening: false,
        heard: new Map(),
        hasGap: false,
      });
      tell(`${name}: opens a session`);
    } catch (error) {
      tell(`${name}: opens no session: ${expected(error)}`);
    }
  }

  /** @param id that of another call, to see it refused while that runs */
  async function call(session: ClientSession, work: Work, id: number): Promise<void> {
    const { name, visitor } = session;
    const one: ClientCall = {
      name: work.call,
      id,
      work,
      session,
      lastEventId: undefined,
      heard: 0,
      isOver: false,
    };
    calls.add(one);
    history.tell({ what: "sent", call: one.name, by: name });
    const replica = anywhere();
    tell(`${name}: ${one.name} with id ${id} at ${replica.name}`);
    const params = { name: "work", arguments: work };
    const request = message({ id, method: "tools/call", params });
    let hasBegun = false;
    try {
      const reader = await at(replica, async (endpoint) => {
        const posted = await endpoint.post(visitor, session.id, request, false);
        hasBegun = true;
        if (posted.kind !== "pending") return undefined;
        const isPatient = random.below(2) === 0;
        const late = sleep(replica.process.timers, JSON_WINDOW_MS).then(() => undefined);
        const whole = isPatient ? await Promise.race([posted.whole, late]) : undefined;
        if (whole === undefined) return await posted.read(() => {});
        for (const body of whole.bodies) hear(one, { id: undefined, data: body });
        return undefined;
      });
      if (reader !== undefined) await follow(one, replica, reader);
    } catch (error) {
      const why = expected(error, session);
      const isRefused = !hasBegun && !(error instanceof ConnectionReset);
      if (isRefused && why !== "outcome_unknown") return fail(one, why, true);
      tell(`${one.name}: ${why}`);
    }
    await comeBack(one);
  }

  function fail(one: ClientCall, error: string, isNothingDone: boolean): void {
    if (one.isOver) return;
    one.isOver = true;
    calls.delete(one);
    tell(`${one.name}: failed: ${error}`);
    const names = [one.name];
    history.tell({ what: "failed", call: one.name, error, isNothingDone, names, hasOwnId: true });
  }

  /** Until there is an answer, or nobody knows of the call any more. */
  async function comeBack(one: ClientCall): Promise<void> {
    const { session } = one;
    while (!one.isOver) {
      await pause(100 + random.below(500));
      const { lastEventId } = one;
      if (session.isOver || lastEventId === undefined) return fail(one, "nobody knows", false);
      const replica = anywhere();
      tell(`${one.name}: comes back to ${replica.name} after ${seqText(lastEventId)}`);
      try {
        const reader = await at(
          replica,
          (endpoint) => endpoint.listen(session.visitor, session.id, lastEventId, { cut() {} }),
        );
        await follow(one, replica, reader);
      } catch (error) {
        const why = expected(error, session);
        tell(`${one.name}: ${why}`);
        if (why === "not_found") return fail(one, why, false);
      }
    }
  }

  async function follow(one: ClientCall, replica: Replica, reader: Reader): Promise<void> {
    const look = deps.streams(one.name, one.lastEventId, false);
    await read(replica, reader, (event) => {
      look(event);
      hear(one, event);
      return !one.isOver;
    });
  }

  /** @param took whether more is wanted */
  async function read(replica: Replica, reader: Reader, took: (event: OutEvent) => boolean) {
    readers.add(reader);
    const alive = new Promise<never>((_, reject) => {
      replica.onDeath(() => reject(new ConnectionReset()));
    });
    alive.catch(() => {});
    try {
      for (;;) {
        if (replica.process.isDead()) throw new ConnectionReset();
        if (hasLeft) return;
        const events = await Promise.race([reader.next(), alive]);
        if (events === undefined) return;
        for (const event of events) if (!took(event)) return;
      }
    } finally {
      readers.delete(reader);
      if (!replica.process.isDead()) reader.stop();
    }
  }

  function hear(one: ClientCall, { id, data }: OutEvent): void {
    one.lastEventId = id ?? one.lastEventId;
    if (data === undefined || one.isOver) return;
    const text = new TextDecoder().decode(data);
    const heard = JSON.parse(text);
    const lost = lostOf(text);
    tell(`${one.name}: hears ${seqText(id)} ${text.slice(17, 117)}`);
    if (lost !== undefined) return history.tell({ what: "missed", call: one.name, count: lost });
    const names = text.match(/\bc\d+\b/g) ?? [];
    if (heard.method === undefined) return ended(one, heard, names);
    const { nth } = heard.params.data;
    // After a failover it may be asked for once more.
    const isAgain = nth <= one.heard && deps.failovers() > 0;
    one.heard = Math.max(one.heard, nth);
    if (!isAgain) history.tell({ what: "heard", call: one.name, event: { id, nth, names } });
    if (heard.id !== undefined) answer(one, heard.id).catch(deps.broken);
  }

  function ended(one: ClientCall, heard: Answer, names: string[]): void {
    one.isOver = true;
    calls.delete(one);
    const about = { call: one.name, names, hasOwnId: heard.id === one.id };
    // That a tool has failed may also be said as its result.
    if (heard.result?.isError) {
      const { text } = heard.result.content[0]!;
      return history.tell({ what: "failed", ...about, error: text, isNothingDone: false });
    }
    if (heard.error === undefined) return history.tell({ what: "answered", ...about });
    const { code, message, data } = heard.error;
    const isNothingDone = data?.retryable === true;
    history.tell({ what: "failed", ...about, error: `${code} ${message}`, isNothingDone });
  }

  async function answer({ session }: ClientCall, id: string): Promise<void> {
    await pause(random.below(400));
    // Some people never answer.
    if (random.below(5) === 0) return;
    await post(session, { id, result: { action: "accept", content: {} } });
  }

  async function post(session: ClientSession, body: object): Promise<void> {
    try {
      await at(
        anywhere(),
        (endpoint) => endpoint.post(session.visitor, session.id, message(body), false),
      );
    } catch (error) {
      tell(`${session.name}: ${JSON.stringify(body)}: ${expected(error, session)}`);
    }
  }

  async function listen(session: ClientSession): Promise<void> {
    if (session.isListening) return;
    session.isListening = true;
    const replica = anywhere();
    const { lastEventId } = session;
    tell(`${session.name}: listens at ${replica.name} after ${seqText(lastEventId)}`);
    try {
      const reader = await at(
        replica,
        (endpoint) => endpoint.listen(session.visitor, session.id, lastEventId, { cut() {} }),
      );
      const look = deps.streams(`listening of ${session.name}`, lastEventId, true);
      await read(replica, reader, (event) => {
        look(event);
        session.lastEventId = event.id ?? session.lastEventId;
        if (event.data !== undefined) {
          overhear(session, event.id, new TextDecoder().decode(event.data));
        }
        return true;
      });
    } catch (error) {
      tell(`${session.name}: listens no more: ${expected(error, session)}`);
    } finally {
      session.isListening = false;
    }
  }

  function overhear(session: ClientSession, id: string | undefined, text: string): void {
    tell(`${session.name}: overhears ${seqText(id)} ${text.slice(17, 127)}`);
    if (text.includes('"gap":true')) return void (session.hasGap = true);
    const { session: from, nth, by } = JSON.parse(text).params.data;
    if (by !== session.name) throw new Broken(`${session.name} hears what is ${by}'s`);
    if (from === undefined) return;
    const last = session.heard.get(from);
    // A failover may take back that the session is watched at all.
    const isCertain = deps.failovers() === 0;
    if (isCertain && last !== undefined && nth > last + 1 && !session.hasGap) {
      throw new Broken(`${session.name} hears ${nth} of ${from} after ${last}: a hole`);
    }
    if (isCertain && last !== undefined && nth <= last) {
      throw new Broken(`${session.name} hears ${nth} of ${from} after ${last}: twice`);
    }
    session.hasGap = false;
    session.heard.set(from, nth);
  }

  function workOf(): Work {
    return {
      call: `c${++made}`,
      notes: random.pick([0, 0, 1, 3, 6, 25]),
      asks: random.below(4) === 0,
      resumes: random.below(2) === 0,
      ms: random.pick([1, 5, 50, 150]),
    };
  }

  function oneOf(session: ClientSession): ClientCall | undefined {
    const own = [...calls].filter((one) => one.session === session);
    return own.length > 0 ? random.pick(own) : undefined;
  }

  async function actIn(session: ClientSession): Promise<void> {
    const action = random.below(100);
    if (action < 45) return await call(session, workOf(), session.nextId++);
    if (action < 60) return await listen(session);
    if (action < 70) {
      const running = oneOf(session);
      if (running !== undefined) await call(session, workOf(), running.id);
    } else if (action < 78) {
      const running = oneOf(session);
      if (running === undefined) return;
      fail(running, "cancelled", false);
      const params = { requestId: running.id };
      await post(session, { method: "notifications/cancelled", params });
    } else if (action < 88) {
      const data = { by: session.name };
      const said = { jsonrpc: "2.0", method: "notifications/message", params: { data } };
      await at(
        anywhere(),
        ({ say }) => say(session.visitor, session.id, [bytesOf(JSON.stringify(said))]),
      );
    } else if (action < 97) {
      for (const reader of readers) if (random.below(2) === 0) reader.stop();
    } else {
      tell(`${session.name}: ends a session`);
      await at(anywhere(), ({ end }) => end(session.visitor, session.id));
      over(session);
    }
  }

  return {
    act() {
      const isFew = sessions.size === 0 || (sessions.size < SESSIONS_MAX && random.below(8) === 0);
      const session = isFew ? undefined : random.pick([...sessions]);
      const done = session === undefined ? open() : actIn(session).catch((error) => {
        tell(`${session.name}: ${expected(error, session)}`);
      });
      done.catch(deps.broken);
    },
    leave() {
      hasLeft = true;
      for (const session of sessions) over(session);
      for (const reader of readers) reader.stop();
    },
    waiting: () => [...calls].map(({ name }) => name),
  };
}

interface Answer {
  readonly id: unknown;
  readonly result?: {
    readonly isError?: boolean;
    readonly content: readonly { readonly text: string }[];
  };
  readonly error?: Fault;
}

interface Fault {
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly retryable?: boolean };
}

function message(body: object) {
  return decodeClientMessage(bytesOf(JSON.stringify({ jsonrpc: "2.0", ...body })));
}

const seqText = (id: string | undefined) => id === undefined ? "-" : id.split(".")[1]!;
