/**
 * Redis without a process: what the gateway needs of it, on whatever clock a test says. Scripts are
 * run as they are.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Heard, Redis, RedisArgument, Reply } from "../../../src/platform/redis.ts";
import { type RedisValue, runCommand } from "./commands.ts";
import { createKeyspace, type Keyspace } from "./keyspace.ts";
import { createLua } from "./lua.ts";

/** Gives the value, or throws, as Redis answers. Text is bytes. */
export interface FakeRedis {
  /** @throws {RedisError} */
  readonly ask: (command: readonly string[]) => RedisValue;
  /** @throws {RedisError} */
  readonly run: (script: string, keys: readonly string[], args: readonly string[]) => RedisValue;
  /** Gives what ends it. */
  readonly subscribe: (channel: string, heard: (message: string) => void) => () => void;
  readonly subscribers: () => number;
  readonly keys: Keyspace;
}

const lua = await createLua();

/** @param nowMs its own clock; within a script it stands still */
export function createFakeRedis(nowMs: () => number): FakeRedis {
  let stoodMs: number | undefined;
  const now = () => stoodMs ?? nowMs();
  const keys = createKeyspace(now);
  const channels = new Map<string, Set<(message: string) => void>>();

  function publish(channel: string, message: string): number {
    const listeners = [...channels.get(channel) ?? []];
    for (const heard of listeners) heard(message);
    return listeners.length;
  }

  const context = { keys, nowMs: now, publish };
  const ask = (command: readonly string[]) => runCommand(context, command);
  return {
    ask,
    keys,
    run(script, names, args) {
      stoodMs = nowMs();
      try {
        return lua(script, names, args, ask);
      } finally {
        stoodMs = undefined;
      }
    },
    subscribe(channel, heard) {
      const listeners = channels.get(channel) ?? new Set();
      channels.set(channel, listeners.add(heard));
      return () => {
        listeners.delete(heard);
        if (listeners.size === 0 && channels.get(channel) === listeners) channels.delete(channel);
      };
    },
    subscribers: () => [...channels.values()].reduce((sum, { size }) => sum + size, 0),
  };
}

/** A connection that is always there and has no length. */
export function connectFakeRedis(server: FakeRedis): Redis {
  const said = async (make: () => RedisValue) => {
    await Promise.resolve();
    return replyOf(make());
  };
  return {
    run: ({ text }, keys, args) => said(() => server.run(text, keys, args.map(bytesText))),
    ask: (...command) => said(() => server.ask(command.map(bytesText))),
    subscribe: (channel, heard: Heard) =>
      server.subscribe(channel, (message) => heard(Buffer.from(message, "latin1"))),
    isUp: () => true,
    onChange() {},
    close() {},
  };
}

/** What is sent, as bytes of one character each. */
export function bytesText(argument: RedisArgument): string {
  const bytes = typeof argument === "string" ? Buffer.from(argument) : argument;
  return bytes.toString("latin1");
}

export function replyOf(value: RedisValue): Reply {
  if (typeof value === "string") return Buffer.from(value, "latin1");
  if (Array.isArray(value)) return value.map(replyOf);
  if (value === null || typeof value === "number") return value;
  return (value as { readonly ok: string }).ok;
}
