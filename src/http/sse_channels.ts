/**
 * Channels of the transport of 2024-11-05: one message URL each, and the event stream that belongs to
 * it. A channel outlives its stream for a while, so that a client that has lost it can resume.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"
 */
import { GatewayError } from "../domain/errors.ts";
import type { Visitor } from "../mcp/session/endpoint.ts";
import { SessionNotFound } from "../mcp/session/session.ts";
import { randomText } from "../platform/random.ts";
import type { Timer, Timers } from "../platform/timers.ts";
import type { SseConnection } from "./sse_connection.ts";

export interface Channel {
  /** Stands in its message URL. It leads to the session, and gives no right to it. */
  readonly id: string;
  /** Whose it is, and on which endpoint: as of the newest connection. */
  visitor: Visitor;
  /** Of the session that its client has opened. */
  sessionId: string | undefined;
  /** Whether the client's `initialize` is under way. */
  isOpening: boolean;
  /** The stream that is open. */
  connection: SseConnection | undefined;
  /** Nobody can come back to it any more. */
  isOver: boolean;
}

export interface SseChannels {
  /** @throws {GatewayError} `rate_limited` */
  readonly open: (visitor: Visitor) => Channel;
  /**
   * `undefined` when there is none with this id, which may be that of a session.
   * @throws {SessionNotFound} when it is not this visitor's
   */
  readonly find: (id: string, visitor: Visitor) => Channel | undefined;
  /** The channel of a session that this visitor has; a new one when there is none. */
  readonly ofSession: (sessionId: string, visitor: Visitor) => Channel;
  /**
   * The channel that such a visitor must have left, if there is no doubt about it: exactly one of its
   * own is without a stream.
   */
  readonly leftBy: (visitor: Visitor) => Channel | undefined;
  /** The client has opened its session: its id finds the channel, too. */
  readonly bind: (channel: Channel, sessionId: string) => void;
  /** Somebody is about to come back to it: it does not end before that has come to something. */
  readonly hold: (channel: Channel) => void;
  /** Nobody has: the time that is left for it begins anew. */
  readonly letGo: (channel: Channel) => void;
  /** This stream is open now, in place of another. */
  readonly joined: (channel: Channel, connection: SseConnection) => void;
  /** The stream has ended; `ended` is told when nobody came back in time. */
  readonly left: (channel: Channel, connection: SseConnection) => void;
  /** Resolves when the client is there and has had all that waited for it, or is given up. */
  readonly ready: (channel: Channel) => Promise<void>;
  /** The streams that are open. */
  readonly connections: () => readonly SseConnection[];
  /** From now on channels are kept until the process ends: sessions go on elsewhere. */
  readonly close: () => void;
}

export interface SseChannelsOptions {
  /** Of one principal, those included whose client is away. */
  readonly perPrincipal: number;
  /** How long a client may be away. */
  readonly graceMs: number;
  /** This one: the ids of its channels begin with it. */
  readonly replica: string;
}

/** 192 random bits, as those of sessions have. */
const ID_BYTES = 24;

export function createSseChannels(
  { timers, ended }: {
    readonly timers: Timers;
    readonly ended: (channel: Channel) => void;
  },
  options: SseChannelsOptions,
): SseChannels {
  /** By their own ids, and by those of their sessions. */
  const channels = new Map<string, Channel>();
  const counts = new Map<string, number>();
  const graces = new Map<Channel, Timer>();
  /** Those who wait for a client that is away. */
  const waiting = new Map<Channel, (() => void)[]>();
  let isClosed = false;

  function add(id: string, visitor: Visitor, sessionId: string | undefined): Channel {
    const name = principalOf(visitor);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const state = { sessionId, isOpening: false, connection: undefined, isOver: false };
    const channel: Channel = { id, visitor, ...state };
    channels.set(id, channel);
    return channel;
  }

  function tellWaiting(channel: Channel): void {
    for (const resolve of waiting.get(channel) ?? []) resolve();
    waiting.delete(channel);
  }

  function end(channel: Channel): void {
    graces.delete(channel);
    channel.isOver = true;
    channels.delete(channel.id);
    if (channel.sessionId !== undefined) channels.delete(channel.sessionId);
    const name = principalOf(channel.visitor);
    const left = (counts.get(name) ?? 1) - 1;
    if (left === 0) counts.delete(name);
    else counts.set(name, left);
    tellWaiting(channel);
    ended(channel);
  }

  function comesBack(channel: Channel): Promise<void> {
    return new Promise((resolve) => {
      waiting.set(channel, [...waiting.get(channel) ?? [], resolve]);
    });
  }

  function hold(channel: Channel): void {
    graces.get(channel)?.cancel();
    graces.delete(channel);
  }

  function letGo(channel: Channel): void {
    if (isClosed || channel.isOver || channel.connection !== undefined) return;
    hold(channel);
    graces.set(channel, timers.after(options.graceMs, () => end(channel)));
  }

  function find(id: string, visitor: Visitor): Channel | undefined {
    const channel = channels.get(id);
    if (channel !== undefined && !isSame(channel.visitor, visitor)) throw new SessionNotFound();
    return channel;
  }

  return {
    open(visitor) {
      if ((counts.get(principalOf(visitor)) ?? 0) >= options.perPrincipal) {
        throw tooMany(options.perPrincipal);
      }
      return add(`${options.replica}.${randomText(ID_BYTES)}`, visitor, undefined);
    },
    find,
    ofSession(sessionId, visitor) {
      const channel = find(sessionId, visitor) ?? add(sessionId, visitor, sessionId);
      channel.visitor = visitor;
      return channel;
    },
    leftBy(visitor) {
      const left = [...graces.keys()].filter((channel) => isAlike(channel.visitor, visitor));
      return left.length === 1 ? left[0] : undefined;
    },
    bind(channel, sessionId) {
      channel.sessionId = sessionId;
      channels.set(sessionId, channel);
    },
    hold,
    letGo,
    joined(channel, connection) {
      hold(channel);
      channel.connection = connection;
      tellWaiting(channel);
    },
    left(channel, connection) {
      if (channel.connection !== connection) return;
      channel.connection = undefined;
      if (isClosed) return;
      // Before its first event there is nothing to resume from.
      if (channel.sessionId === undefined) return end(channel);
      letGo(channel);
    },
    async ready(channel) {
      while (!channel.isOver) {
        const { connection } = channel;
        await (connection?.ready() ?? comesBack(channel));
        if (connection !== undefined && channel.connection === connection) return;
      }
    },
    connections: () => [...channels.values()].flatMap(({ connection }) => connection ?? []),
    close() {
      isClosed = true;
      for (const timer of graces.values()) timer.cancel();
      graces.clear();
    },
  };
}

/** The replica that has the channel with this id; `undefined` for the id of a session. */
export function ownerOfChannel(id: string): string | undefined {
  const dot = id.indexOf(".");
  return dot < 0 ? undefined : id.slice(0, dot);
}

function principalOf({ principal: { kind, subject } }: Visitor): string {
  return `${kind} ${subject}`;
}

function isSame(one: Visitor, other: Visitor): boolean {
  return principalOf(one) === principalOf(other) && one.endpoint.key === other.endpoint.key;
}

/** Whether they may be one client: a principal may have several. */
function isAlike(one: Visitor, other: Visitor): boolean {
  return isSame(one, other) &&
    one.clientHeaders.get("user-agent") === other.clientHeaders.get("user-agent");
}

function tooMany(max: number): GatewayError {
  return new GatewayError(
    "rate_limited",
    `You have ${max} open event streams, which is the most allowed; close one first`,
  );
}
