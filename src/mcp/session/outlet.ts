/**
 * Where the messages of one POST go: into one JSON body while its answers are all there is to say,
 * else onto a stream of its own.
 *
 * @module
 * @see contract.md, section 2, `JSON_RESPONSE_ENABLED`
 */
import type { EventStore, NewEvent, StreamId } from "../../events/store.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { ClientMessage } from "../message.ts";
import type { SessionKey } from "./directory.ts";
import { RETRY_MS } from "./reader.ts";
import type { Session } from "./session.ts";
import type { Streams } from "./streams.ts";

/** What is said at once: any number of messages, answers among them. */
export interface Said {
  readonly events: readonly NewEvent[];
  /** The upstream server's own id of the last of them. */
  readonly eventId?: string | undefined;
  /** HTTP status that an answer should have when it is a body of its own. */
  readonly status: number;
  /** How many of the requests are thereby done with. */
  readonly done: number;
}

/** One JSON body; without one when no request is left that wants an answer. */
export interface WholeAnswer {
  readonly status: number;
  readonly bodies: readonly Uint8Array[];
}

export interface Outlet {
  /** All answers, if nothing else had to be said before; `undefined` once there is a stream. */
  readonly whole: Promise<WholeAnswer | undefined>;
  /** From now on everything goes onto a stream. Resolves when that is kept. */
  readonly open: () => Promise<StreamId>;
  /** Whether there is a stream, or will be in a moment. */
  readonly hasStream: () => boolean;
  /** @returns false when nobody can get it any more: the session is over */
  readonly say: (said: Said) => Promise<boolean>;
  /** The upstream server's stream can be resumed from here; kept as soon as there is a stream. */
  readonly mark: (upstreamEventId: string) => void;
  /** The upstream server wants to be asked again: so does the gateway, where the client can. */
  readonly poll: (retryMs: number) => Promise<void>;
  /** The client's connection reads the stream, or there will be none. */
  readonly attached: () => void;
  /** The call still runs: its stream must not be taken for one that was left behind. */
  readonly keep: () => void;
  /** Nothing can be said any more, and nobody has to wait for it. */
  readonly giveUp: () => void;
  /** Of the stream, once there is one. */
  readonly streamId: () => StreamId | undefined;
  /** When the first reader is to come back, if that was wanted before it was there. */
  readonly pollMs: () => number | undefined;
}

export interface Outlets {
  /** For the requests of one POST. */
  readonly create: (
    session: Session,
    server: Pick<UpstreamServer, "slug">,
    requests: readonly ClientMessage[],
    form: OutletForm,
  ) => Outlet;
  /** For a call whose runner is gone, on the stream that it had. */
  readonly takeOver: (session: Session, stream: StreamId, requests: number) => Outlet;
}

export interface OutletForm {
  /** Whether the answers must be a body of their own. */
  readonly isWhole: boolean;
  /** Whether the client understands events without data. */
  readonly canPrime: boolean;
}

/** What a stream's note says about its calls. */
export interface CallNote {
  /** Slug of the upstream server. */
  readonly server: string;
  /** Which of its sessions, see `UpstreamState`. */
  readonly epoch: number;
  /** Ids of the client's requests, as JSON texts. */
  readonly ids: readonly string[];
}

export interface OutletDeps {
  readonly store: EventStore;
  readonly streams: Streams;
  readonly newStreamId: () => StreamId;
  /** This process. */
  readonly runner: string;
  /** Takes what is no answer, where an answer must be a body of its own. */
  readonly aside: (session: Session, events: readonly NewEvent[]) => Promise<unknown>;
}

interface OutletOptions {
  readonly session: SessionKey;
  readonly runner: string;
  readonly note: () => string;
  /** Requests to be answered. */
  readonly requests: number;
  /** Whether the client can be asked to come back. */
  readonly canPoll: boolean;
  /** `undefined` where a stream may be opened. */
  readonly aside: ((events: readonly NewEvent[]) => Promise<unknown>) | undefined;
  /** A stream that is there already. */
  readonly stream?: StreamId;
}

export function createOutlets(deps: OutletDeps): Outlets {
  const { runner } = deps;
  return {
    create(session, server, requests, { isWhole, canPrime }) {
      const ids = requests.map(({ id }) => decoder.decode(id));
      const canPoll = canPrime && requests.length === 1;
      const note = (): string => {
        const epoch = session.upstreams.get(server.slug)?.state.epoch ?? 0;
        return JSON.stringify({ server: server.slug, epoch, ids } satisfies CallNote);
      };
      const aside = isWhole
        ? (events: readonly NewEvent[]) => deps.aside(session, events)
        : undefined;
      const common = { session: session.key, runner, note, requests: requests.length };
      return createOutlet(deps, { ...common, canPoll, aside });
    },
    takeOver(session, stream, requests) {
      const common = { session: session.key, runner, note: () => "", requests };
      return createOutlet(deps, { ...common, canPoll: false, aside: undefined, stream });
    },
  };
}

const decoder = new TextDecoder();

function createOutlet(deps: OutletDeps, options: OutletOptions): Outlet {
  const { store, streams } = deps;
  const { session } = options;
  let left = options.requests;
  let status = 200;
  let pollMs: number | undefined;
  let id = options.stream;
  let marked: string | undefined;
  let answers: NewEvent[] = [];
  let opening: Promise<StreamId> | undefined = options.stream === undefined
    ? undefined
    : Promise.resolve(options.stream);
  let settle!: (whole: WholeAnswer | undefined) => void;
  const whole = new Promise<WholeAnswer | undefined>((resolve) => settle = resolve);
  /** Those who wait for the client's connection; `undefined` once it reads. */
  let waiting: (() => void)[] | undefined = [];

  function attached(): void {
    for (const resolve of waiting ?? []) resolve();
    waiting = undefined;
  }

  function open(): Promise<StreamId> {
    return opening ??= opened();
  }

  async function opened(): Promise<StreamId> {
    const made = id = deps.newStreamId();
    const early = answers;
    answers = [];
    const { runner, note } = options;
    await store.open({ id: made, session, runner, note: note() });
    if (early.length > 0 || marked !== undefined) {
      await store.append(session, made, early, { runner, upstreamEventId: marked });
    }
    settle(undefined);
    return made;
  }

  async function say({ events, eventId, status: given, done }: Said): Promise<boolean> {
    left -= done;
    const isOnlyAnswers = events.every(({ isResponse }) => isResponse);
    if (opening === undefined && (isOnlyAnswers || options.aside !== undefined)) {
      answers.push(...events.filter(({ isResponse }) => isResponse));
      if (given !== 200) status = given;
      const others = events.filter(({ isResponse }) => !isResponse);
      if (others.length > 0) await options.aside!(others);
      if (left === 0) settle({ status, bodies: answers.map(({ message }) => message) });
      return true;
    }
    const id = await open();
    // A burst must not run past the bounds of the store before the client's connection reads it.
    if (waiting !== undefined) await new Promise<void>((resolve) => waiting?.push(resolve));
    return await streams.append(session, id, events, {
      runner: options.runner,
      upstreamEventId: eventId,
      ends: left === 0,
    });
  }

  return {
    whole,
    open,
    hasStream: () => opening !== undefined,
    say,
    mark(upstreamEventId) {
      // Of several calls each has a stream of its own upstream: those are not resumed.
      if (options.requests > 1) return;
      marked = upstreamEventId;
      const keep = (id: StreamId) =>
        store.append(session, id, [], { runner: options.runner, upstreamEventId });
      // What fails here fails again, and is told, when there is something to say.
      opening?.then(keep).catch(() => {});
    },
    attached,
    keep() {
      opening?.then((id) => store.append(session, id, [], { runner: options.runner }))
        .catch(() => {});
    },
    giveUp() {
      if (id !== undefined) streams.hangUp(id, RETRY_MS);
      settle(undefined);
    },
    streamId: () => id,
    async poll(retryMs) {
      if (options.aside !== undefined) return;
      if (opening === undefined && !options.canPoll) return;
      const id = await open();
      if (options.canPoll && !streams.hangUp(id, retryMs)) pollMs = retryMs;
    },
    pollMs: () => pollMs,
  };
}
