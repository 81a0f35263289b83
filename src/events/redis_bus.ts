/**
 * Signals through Redis: one stream for each replica, which it keeps alive while it lives.
 *
 * A signal is taken out of the stream before it is acted on. A sender that has waited in vain takes
 * it back: only one of the two succeeds. What is published only says that there is something to
 * take; what was published in vain is found by the next look.
 *
 * A message is sealed for its receiver and numbered by its sender, so that nobody can make one, say
 * it to another, or say it twice.
 *
 * @module
 * @see docs/decisions/0013-the-session-record-on-redis.md
 */
import { repeat } from "../platform/again.ts";
import { type Redis, redisKey, redisScript, type Reply, TIME_LUA } from "../platform/redis.ts";
import type { SecretBox } from "../platform/secret_box.ts";
import type { Timers } from "../platform/timers.ts";
import { ANSWER_MS, type Delivery, type Receive, type SignalBus } from "./bus.ts";
import type { ReplicaId } from "./presence.ts";
import { createSeals } from "./redis_seals.ts";
import { createSignalBook, type Envelope, readEnvelope } from "./signal_book.ts";

export interface RedisBusDeps {
  readonly redis: Redis;
  readonly box: SecretBox;
  readonly timers: Timers;
  /** Told of a message that nobody of us has sent. */
  readonly forged: () => void;
}

/** Messages that wait for a replica: it takes them within milliseconds, or not at all. */
const WAITING_MAX = 1_000;
/** How long a stream is there without its replica. */
const STREAM_MS = 15_000;
const LOOK_MS = 1_000;
/** A message that has waited so long is not for this process any more. */
const FRESH_MS = 10_000;
const TAKEN_AT_ONCE = 100;

/** Gives the message's id; nil when there is no such replica, or too much waits for it. */
const SEND = redisScript(`
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('XLEN', KEYS[1]) >= ${WAITING_MAX} then return false end
local id = redis.call('XADD', KEYS[1], '*', 's', ARGV[1])
redis.call('PUBLISH', KEYS[1], '')
return id
`);

/** Keeps the stream there, and takes what is in it: the messages that are fresh. */
const TAKE = redisScript(`${TIME_LUA}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XDEL', KEYS[1], redis.call('XADD', KEYS[1], '*', 's', ''))
end
redis.call('PEXPIRE', KEYS[1], ${STREAM_MS})
local sinceMs = time('') - ${FRESH_MS}
local messages = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ${TAKEN_AT_ONCE})) do
  redis.call('XDEL', KEYS[1], entry[1])
  if tonumber(string.match(entry[1], '^%d+')) > sinceMs then table.insert(messages, entry[2][2]) end
end
return messages
`);

/** Whether it was still there. */
const TAKE_BACK = redisScript("return redis.call('XDEL', KEYS[1], ARGV[1])");

const streamOf = (replica: ReplicaId) => redisKey(replica, "signals");
const UNKNOWN: Delivery = { kind: "unknown" };
const UNDELIVERED: Delivery = { kind: "undelivered" };

export function createRedisBus(deps: RedisBusDeps, self: ReplicaId): SignalBus {
  const { redis, timers } = deps;
  const seals = createSeals(deps.box, deps.forged);
  const book = createSignalBook(self);
  const own = streamOf(self);
  let receive: Receive | undefined;

  /** Gives the message's id in the stream. @throws {GatewayError} `unavailable` */
  async function post(to: ReplicaId, envelope: Envelope): Promise<Reply> {
    const sealed = seals.sealText(JSON.stringify(envelope), `signal to ${to}`);
    return await redis.run(SEND, [streamOf(to)], [sealed]);
  }

  async function look(): Promise<void> {
    for (let count = TAKEN_AT_ONCE; count === TAKEN_AT_ONCE;) {
      const taken = await redis.run(TAKE, [own], []) as Reply[];
      for (const sealed of taken) accept(sealed);
      count = taken.length;
    }
  }

  function accept(sealed: Reply): void {
    const text = seals.openText(sealed, `signal to ${self}`);
    if (text === undefined) return;
    const envelope = readEnvelope(text);
    if (!book.isNew(envelope)) return deps.forged();
    if (envelope.answers !== undefined) book.answered(envelope.answers, envelope.body);
    else answer(envelope).catch(() => {});
  }

  async function answer({ from, number, body }: Envelope): Promise<void> {
    if (receive === undefined) return;
    const answer = await receive(body, from);
    await post(from, book.envelope(answer, number));
  }

  async function send(to: ReplicaId, signal: string): Promise<Delivery> {
    if (!redis.isUp()) return UNDELIVERED;
    const envelope = book.envelope(signal);
    const { promise, resolve } = Promise.withResolvers<Delivery>();
    const forget = book.await(envelope.number, (answer) => resolve({ kind: "answered", answer }));
    const timer = timers.after(ANSWER_MS, () => resolve(UNKNOWN));
    try {
      const id = await post(to, envelope);
      if (id === null) return UNDELIVERED;
      const delivery = await promise;
      if (delivery !== UNKNOWN) return delivery;
      const isBack = await redis.run(TAKE_BACK, [streamOf(to)], [id as string]) === 1;
      return isBack ? UNDELIVERED : UNKNOWN;
    } catch {
      // It was perhaps sent.
      return UNKNOWN;
    } finally {
      timer.cancel();
      forget();
    }
  }

  const lookSafely = () => look().catch(() => {});
  const stopListening = redis.subscribe(own, lookSafely);
  const stopLooking = repeat(timers, LOOK_MS, lookSafely);
  redis.onChange((isUp) => void (isUp && lookSafely()));
  void lookSafely();
  return {
    send,
    receive: (given) => void (receive = given),
    close() {
      stopListening();
      stopLooking();
      redis.ask("UNLINK", own).catch(() => {});
    },
  };
}
