/**
 * Redis: the only door to it. One connection, which carries commands and what is published.
 *
 * While it is away nothing waits: a command fails at once, or after `COMMAND_MS` when Redis does
 * not answer. A connection that was silent for so long is given up, so that it cannot answer later.
 * A server that takes no writes (full, read-only, loading) counts as away, whatever else it answers.
 *
 * A command that failed was perhaps carried out.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { jittered } from "./random.ts";
import type { RedisUrl } from "./redis_url.ts";
import type { Timer, Timers } from "./timers.ts";

/** What commands are made of: text is UTF-8. */
export type RedisArgument = string | Buffer;
/** What comes back: bulk values as bytes. */
export type Reply = Buffer | string | number | null | Reply[];

/** A script in Lua. All keys of one run are of one slot. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export interface Redis {
  /** @throws {GatewayError} `unavailable` */
  readonly run: (
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ) => Promise<Reply>;
  /** One command. @throws {GatewayError} `unavailable` */
  readonly ask: (...command: RedisArgument[]) => Promise<Reply>;
  /**
   * Hears what is published there, and `undefined` when something may have been missed. What is
   * asked afterwards, is asked when this is in force. Gives what ends it.
   */
  readonly subscribe: (channel: string, heard: Heard) => () => void;
  readonly isUp: () => boolean;
  /** Called with every change of `isUp`. */
  readonly onChange: (changed: Changed) => void;
  readonly close: () => void;
}

export type Heard = (message: Buffer | undefined) => void;
/** @param cause why it is away */
export type Changed = (isUp: boolean, cause?: unknown) => void;

/** Every key begins with this. */
const PREFIX = "sallyport:";
const COMMAND_MS = 500;
/** The second part of it: begun late by a busy process, it still lets an answer be read. */
const LAST_MS = 50;
/** How long Redis may be silent before it is asked whether it still takes writes. */
const PROBE_MS = 400;
const CONNECT_MS = 2_000;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

/** @param slot keys with the same are in one slot of a cluster: a script may use them together */
export function redisKey(slot: string, name: string): string {
  return `${PREFIX}{${slot}}:${name}`;
}

export function redisScript(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/**
 * For scripts: the time in milliseconds. That of Redis, which all replicas share, unless given.
 */
export const TIME_LUA = `
local function time(given)
  if given ~= '' then return tonumber(given) end
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end
`;

/** The time as scripts are told it: empty for that of Redis. */
export type TimeArgument = () => string;
export const REDIS_TIME: TimeArgument = () => "";

/** Loaded with the first connection: it is a third of all code, and many gateways have no Redis. */
type Library = typeof import("redis");
type Client = ReturnType<typeof newClient>;

/** Begins to connect at once; `isUp` says when it has. */
export function createRedis(url: RedisUrl, { timers }: { readonly timers: Timers }): Redis {
  const listeners: Changed[] = [];
  /** By this connection. */
  let loaded = new Set<string>();
  let live: Client | undefined;
  let library: Library | undefined;
  let bytes: ReturnType<typeof bytesOf> | undefined;
  let connecting: Client | undefined;
  let retryMs = RETRY_MS_MIN;
  let retry: Timer | undefined;
  let probe: Timer | undefined;
  let isClosed = false;
  const channels = createChannels(() => live);

  function lose(client: Client, cause: unknown): void {
    if (client.isOpen) client.destroy();
    if (client !== live) return;
    live = undefined;
    probe?.cancel();
    for (const changed of listeners) changed(false, cause);
    later();
  }

  function later(): void {
    if (isClosed) return;
    retry = timers.after(jittered(retryMs), () => void connect());
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
  }

  async function connect(): Promise<void> {
    library ??= await import("redis");
    bytes ??= bytesOf(library);
    if (isClosed) return;
    const client = connecting = newClient(library, url);
    client.on("error", (cause) => lose(client, cause));
    const timer = timers.after(CONNECT_MS, () => client.destroy());
    try {
      await client.connect();
      await client.sendCommand(PROBE);
    } catch (cause) {
      if (client.isOpen) client.destroy();
      // Told once, however often it is tried.
      if (retryMs === RETRY_MS_MIN) { for (const changed of listeners) changed(false, cause); }
      return later();
    } finally {
      timer.cancel();
      connecting = undefined;
    }
    retryMs = RETRY_MS_MIN;
    loaded = new Set();
    live = client;
    channels.restore();
    for (const changed of listeners) changed(true);
    watch();
  }

  /** That it takes no writes any more, or is silent, is to be known before somebody needs it. */
  function watch(): void {
    probe = timers.after(PROBE_MS, () => ask(PROBE).then(watch, () => live && watch()));
  }

  function ask(command: readonly RedisArgument[]): Promise<Reply> {
    const client = live;
    if (client === undefined) return Promise.reject(away());
    return new Promise((resolve, reject) => {
      let timer = timers.after(COMMAND_MS - LAST_MS, () => {
        timer = timers.after(LAST_MS, () => lose(client, new Error("Redis does not answer")));
      });
      client.sendCommand<Reply>(command, bytes!).then((reply) => {
        timer.cancel();
        resolve(reply);
      }, (cause) => {
        timer.cancel();
        const isAnswer = cause instanceof library!.ErrorReply;
        if (isAnswer && !TAKES_NOTHING.test(cause.message)) return reject(refused(cause));
        lose(client, cause);
        reject(away(cause));
      });
    });
  }

  async function run(
    { sha, text }: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<Reply> {
    const rest = [String(keys.length), ...keys, ...args];
    // The first run brings it along: one that had to be sent again would come too late.
    if (!loaded.has(sha)) {
      loaded.add(sha);
      return await ask(["EVAL", text, ...rest]);
    }
    try {
      return await ask(["EVALSHA", sha, ...rest]);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return await ask(["EVAL", text, ...rest]);
    }
  }

  void connect();
  return {
    run,
    ask: (...command) => ask(command),
    subscribe: channels.subscribe,
    isUp: () => live !== undefined,
    onChange: (changed) => void listeners.push(changed),
    close() {
      isClosed = true;
      retry?.cancel();
      probe?.cancel();
      for (const client of [live, connecting]) if (client?.isOpen) client.destroy();
      live = undefined;
    },
  };
}

/** Who hears what is published, whichever connection is the present one. */
function createChannels(live: () => Client | undefined) {
  const byName = new Map<string, Set<Heard>>();

  // A connection that is lost meanwhile is made up for by the next one.
  function listen(name: string): void {
    live()?.subscribe(name, (message: Buffer) => {
      for (const heard of byName.get(name) ?? []) heard(message);
    }, true).catch(() => {});
  }

  return {
    restore(): void {
      for (const [name, listeners] of byName) {
        listen(name);
        for (const heard of listeners) heard(undefined);
      }
    },
    subscribe(name: string, heard: Heard): () => void {
      const others = byName.get(name);
      if (others === undefined) {
        byName.set(name, new Set([heard]));
        listen(name);
      } else others.add(heard);
      return () => {
        const left = byName.get(name);
        if (!left?.delete(heard) || left.size > 0) return;
        byName.delete(name);
        live()?.unsubscribe(name).catch(() => {});
      };
    },
  };
}

const PROBE = ["SET", redisKey("probe", "probe"), "", "PX", "60000"];

function bytesOf({ RESP_TYPES }: Library) {
  return { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } as const;
}

/** Complete, so that no variable of the environment decides anything. */
function newClient(
  { createClient }: Library,
  { host, port, user, password, database, isTls }: RedisUrl,
) {
  const common = { host, port, connectTimeout: CONNECT_MS, reconnectStrategy: false as const };
  return createClient({
    socket: isTls ? { ...common, tls: true } : common,
    ...(user !== "" && { username: user }),
    ...(password !== "" && { password }),
    database,
    RESP: 3,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: "disabled",
    commandsQueueMaxLength: LIMITS.redisWaiting,
  });
}

/** Answers of a server that cannot be worked with for now. */
const TAKES_NOTHING =
  /^(?:OOM|READONLY|LOADING|MISCONF|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|NOAUTH|NOPERM|BUSY|MOVED) /;

function away(cause?: unknown): GatewayError {
  return new GatewayError("unavailable", "The gateway cannot reach Redis at the moment", { cause });
}

/** Of what is not as this program has left it. */
function refused(cause: Error): GatewayError {
  return new GatewayError("unavailable", "Redis refused a command", { cause });
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof GatewayError && error.cause instanceof Error &&
    error.cause.message.startsWith("NOSCRIPT");
}
