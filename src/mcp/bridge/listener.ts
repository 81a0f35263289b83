/**
 * One client that listens: what it is told of what a server says outside of calls.
 *
 * A client that is slow loses nothing and costs little: of several changes of the same thing one
 * waits for it.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
import { Draining } from "../failure.ts";
import type { JsonObject } from "../message.ts";
import { subscriptionEnd } from "../relay.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { withRenamedUris } from "../view/uris.ts";
import { stamped } from "./results.ts";

export interface Listener {
  /** As the server knows them. */
  readonly uris: ReadonlySet<string>;
  /** The server has said this. */
  readonly hear: (message: Uint8Array) => void;
}

/** Member of the filter, and of the server's capabilities. */
export const LISTS: Readonly<Record<string, string>> = {
  toolsListChanged: "tools",
  promptsListChanged: "prompts",
  resourcesListChanged: "resources",
};

/**
 * @param lists members of the filter that are honoured
 * @param uris resources of which updates are told
 */
export function createListener(
  { message: { id }, route, abort: { signal } }: UpstreamCall,
  lists: readonly string[],
  uris: readonly string[],
) {
  const wanted = new Set(lists.map((list) => LISTS[list]!));
  const wantedUris = new Set(uris);
  /** By what they say. */
  const waiting = new Map<string, Uint8Array>();
  let end: Uint8Array | undefined;
  let isOver = false;
  let wake = () => {};
  let settle!: () => void;
  const ended = new Promise<void>((resolve) => settle = resolve);

  function tell(key: string, bytes: Uint8Array): void {
    if (isOver) return;
    const told = stamped(bytes, id);
    waiting.set(key, route?.renamed === undefined ? told : withRenamedUris(told, route.renamed));
    wake();
  }

  function hear(bytes: Uint8Array): void {
    for (const { key, message } of toldOf(bytes, wanted, wantedUris)) tell(key, message);
  }

  function finish(last: Uint8Array | undefined): void {
    if (isOver) return;
    isOver = true;
    end = last;
    wake();
    settle();
  }

  function left(): void {
    finish(signal.reason instanceof Draining ? subscriptionEnd(id) : undefined);
  }

  async function next(): Promise<readonly Uint8Array[] | undefined> {
    while (waiting.size === 0 && !isOver) {
      await new Promise<void>((resolve) => wake = resolve);
    }
    const batch = [...waiting.values(), ...end === undefined ? [] : [end]];
    waiting.clear();
    end = undefined;
    return batch.length > 0 ? batch : undefined;
  }

  tell("", acknowledged(lists, uris));
  signal.addEventListener("abort", left);
  if (signal.aborted) left();
  if (lists.length + uris.length === 0) finish(subscriptionEnd(id));
  const listener: Listener = { uris: wantedUris, hear };
  return { listener, next, ended };
}

interface Told {
  /** The same for what says the same. */
  readonly key: string;
  readonly message: Uint8Array;
}

function toldOf(
  bytes: Uint8Array,
  lists: ReadonlySet<string>,
  uris: ReadonlySet<string>,
): readonly Told[] {
  const { method, params } = JSON.parse(decoder.decode(bytes));
  const list = /^notifications\/(\w+)\/list_changed$/.exec(method)?.[1];
  if (list !== undefined && lists.has(list)) return [{ key: method, message: bytes }];
  if (method === UPDATED && isWanted(params?.uri, uris)) {
    return [{ key: `${method} ${params.uri}`, message: bytes }];
  }
  if (method !== "notifications/message" || params?.data?.gap !== true) return [];
  // Something may have been missed: to ask once too often does no harm.
  const changed = [...lists].map((one) => {
    const key = `notifications/${one}/list_changed`;
    return { key, message: notification(key, undefined) };
  });
  const updated = [...uris].map((uri) => {
    return { key: `${UPDATED} ${uri}`, message: notification(UPDATED, { uri }) };
  });
  return [...changed, ...updated];
}

/** Servers may name a part of what was subscribed to. */
function isWanted(uri: unknown, uris: ReadonlySet<string>): boolean {
  if (typeof uri !== "string") return false;
  return uris.has(uri) || [...uris].some((whole) => uri.startsWith(whole));
}

function acknowledged(lists: readonly string[], uris: readonly string[]): Uint8Array {
  const notifications: JsonObject = {
    ...Object.fromEntries(lists.map((name) => [name, true])),
    ...(uris.length > 0 && { resourceSubscriptions: uris }),
  };
  return notification("notifications/subscriptions/acknowledged", { notifications });
}

function notification(method: string, params: JsonObject | undefined): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", method, params }));
}

const decoder = new TextDecoder();
const UPDATED = "notifications/resources/updated";
