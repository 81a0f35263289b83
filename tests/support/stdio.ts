/**
 * Child processes that speak MCP, seen through the gateway's client for them.
 *
 * @module
 */
import { PLAIN_UPSTREAM } from "./plain_upstream.ts";
import type { StdioUpstream } from "../../src/domain/server.ts";
import { createByteBudget } from "../../src/platform/byte_budget.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { environmentForPrograms, startProcess } from "../../src/platform/process.ts";
import { createTimers, type Timers } from "../../src/platform/timers.ts";
import type { Fields } from "../../src/telemetry/log.ts";
import type { UpstreamRequest } from "../../src/upstream/client.ts";
import type { UpstreamReply } from "../../src/upstream/reply.ts";
import {
  createStdioClient,
  type StdioClient,
  type StdioClientOptions,
} from "../../src/upstream/stdio_client.ts";
import { bytesOf, textOf } from "./bytes.ts";
import type { Message } from "./modern.ts";
import { ROOT } from "./spawn.ts";

const FIXTURES = new URL("fixtures/stdio/", ROOT);

export interface StdioWorld extends AsyncDisposable {
  readonly client: StdioClient;
  /** Lines of the log, each as `message {fields}`. */
  readonly log: readonly string[];
  /** Process ids of all that were started. */
  readonly pids: readonly number[];
  /** What is held of the budget. */
  readonly heldBytes: () => number;
}

export interface StdioWorldOptions extends Partial<StdioClientOptions> {
  readonly clock?: Clock;
  readonly timers?: Timers;
}

export function openStdioWorld({ clock, timers, ...options }: StdioWorldOptions = {}): StdioWorld {
  const log: string[] = [];
  const pids: number[] = [];
  let held = 0;
  const budget = createByteBudget(Infinity);
  const write = (message: string, fields: Fields) =>
    void log.push(`${message} ${JSON.stringify(fields)}`);
  const client = createStdioClient({
    clock: clock ?? systemClock,
    timers: timers ?? createTimers(systemClock.monotonic),
    budget: {
      ...budget,
      hold: (bytes) => void (held += bytes),
      release: (bytes) => void (held -= bytes),
    },
    log: { debug: write, info: write, warning: write },
    startProcess(program) {
      const process = startProcess(program);
      pids.push(process.pid);
      return process;
    },
  }, {
    childrenMax: 50,
    idleMs: 300_000,
    messageBytesMax: 1024 * 1024,
    env: environmentForPrograms(),
    replica: "this",
    ...options,
  });
  return { client, log, pids, heldBytes: () => held, [Symbol.asyncDispose]: client.close };
}

export function aStdioServer(changes: Partial<StdioUpstream> = {}): StdioUpstream {
  return {
    id: crypto.randomUUID(),
    name: "files",
    slug: "files",
    ...PLAIN_UPSTREAM,
    seq: 1,
    transport: "stdio",
    command: "sh",
    args: [new URL("lean.sh", FIXTURES).pathname],
    env: {},
    cwd: undefined,
    ...changes,
  };
}

export const lean = aStdioServer;

/** `fixtures/stdio/bad.ts` in one of its ways. */
export function bad(way: string, changes: Partial<StdioUpstream> = {}): StdioUpstream {
  return denoServer("bad.ts", [way], changes);
}

/** `fixtures/stdio/main.ts`. */
export function everything(era: "both" | "modern" | "legacy"): StdioUpstream {
  return denoServer("main.ts", ["--era", era], {});
}

export function wrapper(): StdioUpstream {
  return aStdioServer({ args: [new URL("wrapper.sh", FIXTURES).pathname] });
}

function denoServer(file: string, args: readonly string[], changes: Partial<StdioUpstream>) {
  const path = new URL(file, FIXTURES).pathname;
  const run = ["run", "-A", "--no-check", "--config", new URL("deno.json", ROOT).pathname];
  return aStdioServer({ command: Deno.execPath(), args: [...run, path, ...args], ...changes });
}

export type RequestChanges = Partial<Omit<UpstreamRequest, "body">>;

export function aRequest(message: unknown, changes: RequestChanges = {}): UpstreamRequest {
  return {
    body: message === undefined ? undefined : bytesOf(JSON.stringify(message)),
    headers: "",
    idempotent: false,
    firstMs: 60_000,
    silenceMs: 60_000,
    totalMs: 60_000,
    abort: new AbortController(),
    ...changes,
  };
}

export interface StdioSession {
  readonly id: string;
  /** The answer to `initialize`. */
  readonly opened: Message;
  readonly send: (message: unknown, changes?: RequestChanges) => Promise<UpstreamReply>;
  /** Sends a request and gives all messages of its reply. */
  readonly ask: (id: number, method: string, params?: unknown) => Promise<Message[]>;
  readonly call: (id: number, name: string, args?: unknown) => Promise<Message[]>;
  readonly notify: (method: string) => Promise<UpstreamReply>;
  readonly end: () => Promise<number>;
}

const CLIENT = {
  protocolVersion: "2025-11-25",
  capabilities: { sampling: {}, elicitation: {}, roots: {} },
  clientInfo: { name: "test", version: "1" },
};

export function initialize(id = 0): Message {
  return { jsonrpc: "2.0", id, method: "initialize", params: CLIENT };
}

export async function openStdio(
  { client }: StdioWorld,
  server: StdioUpstream,
): Promise<StdioSession> {
  const reply = await client.send(server, aRequest(initialize()));
  const [opened] = await all(reply);
  const id = reply.sessionId()!;
  const send = (message: unknown, changes: RequestChanges = {}) =>
    client.send(server, aRequest(message, { session: id, ...changes }));
  const ask = async (nth: number, method: string, params: unknown = {}) =>
    await all(await send({ jsonrpc: "2.0", id: nth, method, params }));
  const notify = (method: string) => send({ jsonrpc: "2.0", method }, { isOneWay: true });
  await notify("notifications/initialized");
  return {
    id,
    opened: opened!,
    send,
    ask,
    call: (nth, name, args = {}) => ask(nth, "tools/call", { name, arguments: args }),
    notify,
    end: () => client.remove(server, { headers: "", session: id }, 5_000),
  };
}

/** All messages of a reply, to its end. */
export async function all(reply: UpstreamReply): Promise<Message[]> {
  const messages: Message[] = [];
  for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
    messages.push(messageOf(one));
  }
  reply.close();
  return messages;
}

export function messageOf(bytes: Uint8Array | undefined): Message {
  return JSON.parse(textOf(bytes)!);
}

/** Whether a process runs; one that nobody has waited for does not. */
export async function isRunning(pid: number): Promise<boolean> {
  return await stateOf(pid) !== undefined;
}

async function stateOf(pid: number): Promise<string | undefined> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => undefined);
  const state = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === undefined || state[0] === "Z" ? undefined : state.join(" ");
}

/** The processes of a group that still run. */
export async function runningIn(group: number): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // Behind the state: parent, group.
    const state = (await stateOf(Number(name)))?.split(" ");
    if (state?.[2] === String(group)) found.push(Number(name));
  }
  return found;
}
