/**
 * Faults that are built in to see that a simulation finds them: each leaves out one thing on which a
 * promise rests.
 *
 * @module
 */
import type { EventStore } from "../../src/events/store.ts";
import type { Mutant } from "./simulation.ts";

export interface NamedMutant extends Mutant {
  readonly name: string;
  /** How it is found out. */
  readonly found: RegExp;
}

export const MUTANTS: readonly NamedMutant[] = [
  {
    name: "a runner of the past may still write to its stream",
    ...without("(isRun == '1' and runner ~= stream.runner)", "false"),
    found: /fenced out/,
  },
  {
    name: "a claim is taken whoever holds it",
    ...without("if holder ~= '' and holder ~= ARGV[1] and holder ~= ARGV[2] then", "if false then"),
    found: /Two replicas hold task/,
  },
  {
    name: "a claim has the number that it had before",
    ...without("math.max(fence + 1, time(''))", "math.max(fence, 1)"),
    found: /task was taken with 1 after 1/,
  },
  {
    name: "more events are kept than may be",
    ...without("if count <= eventsMax and bytes", "if bytes"),
    found: /holds \d+ events/,
  },
  {
    name: "events are kept without end",
    ...without("redis.call('PEXPIRE', KEYS[2], ttl)", ""),
    found: /has no end/,
  },
  {
    name: "what is lost is not told",
    store: (store) => ({ ...store, replay: withoutHoles(store) }),
    found: /hole in a stream|is two/,
  },
  {
    name: "who has left is still told",
    store(store) {
      const follow: EventStore["follow"] = (...about) => {
        store.follow(...about);
        return () => {};
      };
      return { ...store, follow };
    },
    found: /still has subscriptions/,
  },
  {
    name: "an event comes onto another stream",
    store: strayed,
    found: /is on a stream of/,
  },
  {
    name: "two calls may have one id",
    callClaims: (claims) => ({
      ...claims,
      claim: () => Promise.resolve({ isFree: true, opener: undefined }),
    }),
    found: /has its id/,
  },
  {
    name: "a request is sent twice",
    client: (client) => ({
      ...client,
      send(server, request) {
        const text = new TextDecoder().decode(request.body);
        const again = { ...request, abort: new AbortController() };
        if (text.includes('"call":"c7"')) client.send(server, again).catch(() => {});
        return client.send(server, request);
      },
    }),
    found: /executed twice|runs while/,
  },
];

function without(part: string, instead: string): Mutant {
  return { script: (text) => text.replace(part, instead) };
}

/** Numbers what is left as if nothing had been before it. */
function withoutHoles({ replay }: EventStore): EventStore["replay"] {
  return async (session, id, afterSeq, bytesMax) => {
    const found = await replay(session, id, afterSeq, bytesMax);
    return found && {
      ...found,
      events: found.events.map((event, i) => ({ ...event, seq: afterSeq + 1 + i })),
    };
  };
}

/** Now and then one goes where the one before went. */
function strayed(store: EventStore): EventStore {
  let count = 0;
  let last: readonly [string, string] | undefined;
  return {
    ...store,
    append(session, id, events, options) {
      const isStray = ++count % 10 === 0 && last !== undefined;
      const [toSession, toId] = isStray ? last! : [session, id];
      last = [session, id];
      const given = isStray ? { ...options, runner: undefined } : options;
      return store.append(toSession, toId, events, given);
    },
  };
}
