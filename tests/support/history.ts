/**
 * Says which guarantees a history of calls breaks: what was sent, what a server did, what came back.
 *
 * Happenings stand in the order in which they were seen. Every call has a name that nobody else
 * uses; whoever tells of an answer tells all names that stood in it.
 *
 * @module
 * @see security.md, section 5.6
 */
export type Happening =
  | { readonly what: "sent"; readonly call: string; readonly by: string }
  | {
    readonly what: "executed";
    readonly call: string;
    /** The server's own session in which that was, if any. */
    readonly session?: string | undefined;
  }
  | { readonly what: "heard"; readonly call: string; readonly event: HeardEvent }
  /** The client is told that so many messages of the stream are lost. */
  | { readonly what: "missed"; readonly call: string; readonly count: number }
  | ({ readonly what: "answered" } & Answer)
  | ({
    readonly what: "failed";
    readonly error: string;
    /** Whether the caller was told that nothing was done, and may try again. */
    readonly isNothingDone: boolean;
  } & Answer);

/** One message of a stream, which is not the answer. */
export interface HeardEvent {
  /** None where a stream cannot be resumed. */
  readonly id?: string | undefined;
  /** Its place in the stream, counted from 1. */
  readonly nth: number;
  readonly names: readonly string[];
}

export interface Answer {
  readonly call: string;
  /** Names of calls that stood in it. */
  readonly names: readonly string[];
  /** Whether it has the JSON-RPC id of its request. */
  readonly hasOwnId: boolean;
}

export type Breach =
  | "answer of another principal"
  | "answer of another call"
  | "answer without its own name"
  | "answer under another id"
  | "answered twice"
  | "never answered"
  | "executed twice"
  | "executed and never sent"
  | "success made up"
  | "failure made up"
  | "session of two principals"
  | "event with two ids"
  | "id of two events"
  | "hole in a stream";

export interface Finding {
  readonly breach: Breach;
  readonly call: string;
  /** What else there is to say. */
  readonly more: string;
}

/** @returns every guarantee that is broken, in the order in which that shows */
export function findBreaches(history: readonly Happening[]): Finding[] {
  const checker = createHistoryChecker();
  for (const one of history) checker.take(one);
  return checker.end();
}

export interface HistoryChecker {
  /** The next happening. */
  readonly take: (one: Happening) => void;
  /** What is broken so far. */
  readonly findings: readonly Finding[];
  /** Nothing more happens: everything that is broken. */
  readonly end: () => Finding[];
}

/** The same, while it happens. */
export function createHistoryChecker(): HistoryChecker {
  const findings: Finding[] = [];
  const found = (breach: Breach, call: string, more = "") => findings.push({ breach, call, more });
  const senders = new Map<string, string>();
  const executed = new Map<string, number>();
  const ended = new Set<string>();
  /** Calls of which somebody was told that nothing was done, with how. */
  const notDone = new Map<string, string>();
  const owners = new Map<string, string>();
  const streams = streamsOf(found);

  function strange(call: string, names: readonly string[]): void {
    for (const name of new Set(names)) {
      if (name === call) continue;
      const isForeign = senders.get(name) !== senders.get(call);
      found(isForeign ? "answer of another principal" : "answer of another call", call, name);
    }
  }

  function ends({ call, names, hasOwnId }: Answer, error?: string): void {
    if (ended.has(call)) found("answered twice", call, error);
    ended.add(call);
    if (!hasOwnId) found("answer under another id", call, error);
    strange(call, names);
  }

  function executes(call: string, session: string | undefined): void {
    const sender = senders.get(call);
    if (sender === undefined) return void found("executed and never sent", call);
    executed.set(call, (executed.get(call) ?? 0) + 1);
    if (executed.get(call)! > 1) found("executed twice", call, `${executed.get(call)} times`);
    if (session === undefined) return;
    const owner = owners.get(session) ?? sender;
    owners.set(session, owner);
    if (owner !== sender) found("session of two principals", call, `${session} is of ${owner}`);
  }

  function take(one: Happening): void {
    switch (one.what) {
      case "sent":
        senders.set(one.call, one.by);
        break;
      case "executed":
        executes(one.call, one.session);
        break;
      case "heard":
        strange(one.call, one.event.names);
        streams.heard(one.call, senders.get(one.call) ?? "", one.event);
        break;
      case "missed":
        streams.missed(one.call, one.count);
        break;
      case "answered":
        ends(one);
        if (!one.names.includes(one.call)) found("answer without its own name", one.call);
        if (!executed.has(one.call)) found("success made up", one.call);
        break;
      case "failed":
        ends(one, one.error);
        if (one.isNothingDone) notDone.set(one.call, one.error);
    }
  }

  return {
    take,
    findings,
    end() {
      for (const [call, error] of notDone) {
        if (executed.has(call)) found("failure made up", call, error);
      }
      for (const call of senders.keys()) if (!ended.has(call)) found("never answered", call);
      return findings;
    },
  };
}

/** Each event has one id for ever, and those of a stream come in order, without holes unless told. */
function streamsOf(found: (breach: Breach, call: string, more: string) => void) {
  const ids = new Map<string, string | undefined>();
  const events = new Map<string, string>();
  const last = new Map<string, number>();
  return {
    missed: (call: string, count: number) => void last.set(call, (last.get(call) ?? 0) + count),
    heard(call: string, by: string, { id, nth }: HeardEvent): void {
      const event = `${call} ${nth}`;
      if (ids.has(event) && ids.get(event) !== id) {
        found("event with two ids", call, `${ids.get(event)} and ${id}`);
      }
      ids.set(event, id);
      if (id !== undefined) {
        const other = events.get(`${by} ${id}`) ?? event;
        events.set(`${by} ${id}`, event);
        if (other !== event) found("id of two events", call, `${id} was that of ${other}`);
      }
      const before = last.get(call) ?? 0;
      // What was heard already may come again, as long as it is known by its id.
      if (nth > before + 1 || (nth <= before && id === undefined)) {
        found("hole in a stream", call, `${nth} after ${before}`);
      }
      last.set(call, Math.max(before, nth));
    },
  };
}
