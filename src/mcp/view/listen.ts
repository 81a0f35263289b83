/**
 * `subscriptions/listen` on a view: changes of the caller's own lists, and updates of resources from
 * the servers that have them, as one stream.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
import { maySee } from "../../domain/access.ts";
import { ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { View } from "../../catalog/view.ts";
import type { Views } from "../../catalog/views.ts";
import { jittered } from "../../platform/random.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import type { CallContext, Reply } from "../dispatch.ts";
import type { ViewEndpoint } from "../endpoint.ts";
import { ClientLeft, Draining } from "../failure.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  INVALID_PARAMS,
  isObject,
  type JsonObject,
} from "../message.ts";
import { subscriptionEnd } from "../relay.ts";
import { META_SUBSCRIPTION_ID } from "../revisions/stateless_era.ts";
import type { StatelessCalls } from "../stateless_calls.ts";
import type { ListChanges, ListName } from "./list_changes.ts";
import { createMailbox, type Mailbox } from "./mailbox.ts";

export interface ListenDeps {
  readonly calls: StatelessCalls;
  readonly changes: ListChanges;
  readonly views: Pick<Views, "latest">;
  readonly timers: Timers;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
}

export type Listen = (call: CallContext, endpoint: ViewEndpoint) => Promise<Reply>;

/** How long the acknowledgement waits for those of servers. */
const ACKNOWLEDGED_MS = 2_000;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;

const LIST_CHANGED: Readonly<Record<string, ListName>> = {
  toolsListChanged: "tools",
  promptsListChanged: "prompts",
  resourcesListChanged: "resources",
};

/** What one server is asked to tell. */
interface Subscribed {
  readonly server: UpstreamServer;
  /** By URI in the view: as the server knows it. */
  readonly uris: ReadonlyMap<string, string>;
}

export function createListen(deps: ListenDeps): Listen {
  async function listen(call: CallContext, endpoint: ViewEndpoint): Promise<Reply> {
    const filter = call.message.params?.notifications;
    if (!isObject(filter)) {
      throw new ProtocolError(INVALID_PARAMS, 200, "params.notifications must be an object");
    }
    const { message, abort } = call;
    const mailbox = createMailbox(LIMITS.streamBufferBytes);
    abort.signal.addEventListener("abort", () => {
      const isDraining = abort.signal.reason instanceof Draining;
      mailbox.end(isDraining ? subscriptionEnd(message.id) : undefined);
    });
    const parts = subscribed(endpoint, call, filter.resourceSubscriptions);
    const accepted = await Promise.all(parts.map((part) => begin(call, endpoint, part, mailbox)));
    const uris = accepted.flat();
    const lists = Object.keys(LIST_CHANGED).filter((name) => filter[name] === true);
    const honoured: JsonObject = {
      ...Object.fromEntries(lists.map((name) => [name, true])),
      ...(uris.length > 0 && { resourceSubscriptions: uris }),
    };
    mailbox.put(notification(message, "notifications/subscriptions/acknowledged", {
      notifications: honoured,
    }));
    const wanted = new Set(lists.map((name) => LIST_CHANGED[name]!));
    const stop = deps.changes.follow(endpoint.key, () => call.principal, (changed) => {
      for (const list of changed) {
        if (wanted.has(list)) {
          mailbox.put(notification(message, `notifications/${list}/list_changed`));
        }
      }
    });
    mailbox.ended.then(stop);
    if (Object.keys(honoured).length === 0) mailbox.end(subscriptionEnd(message.id));
    return { kind: "stream", next: mailbox.take };
  }

  /** The URIs that the server has agreed to, once it has; what it says goes into the mailbox. */
  function begin(
    call: CallContext,
    endpoint: ViewEndpoint,
    part: Subscribed,
    mailbox: Mailbox,
  ): Promise<readonly string[]> {
    let agreed!: (uris: readonly string[]) => void;
    const first = new Promise<readonly string[]>((resolve) => agreed = resolve);
    const abort = new AbortController();
    mailbox.ended.then(() => abort.abort(new ClientLeft()));
    keepListening(call, endpoint, part, mailbox, abort, agreed).catch(() => {}).finally(() =>
      agreed([])
    );
    deps.timers.after(ACKNOWLEDGED_MS, () => agreed([]));
    return first;
  }

  async function keepListening(
    call: CallContext,
    { key, view }: ViewEndpoint,
    { server, uris }: Subscribed,
    mailbox: Mailbox,
    abort: AbortController,
    agreed: (uris: readonly string[]) => void,
  ): Promise<void> {
    const message = listenMessage(call.message, [...uris.values()]);
    const route = { name: "", edit: undefined, renamed: view.renaming(server) };
    for (let waitMs = RETRY_MS;; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      const now = deps.serverOf(server.slug);
      if (now?.id !== server.id) return;
      if (!now.enabled || !maySee(call.principal, now)) {
        // It may be shown again, as servers do that are only repaired.
        await sleep(deps.timers, jittered(RETRY_MS_MAX), abort.signal);
        continue;
      }
      // A request is ended when its server has changed: another one is made then.
      const one = new AbortController();
      const end = () => one.abort(abort.signal.reason);
      abort.signal.addEventListener("abort", end);
      const reply = await deps.calls.request({ ...call, message, server: now, route, abort: one });
      if (reply.kind === "stream") {
        const took = await pump(reply.next, mailbox, {
          agreed: (honoured) => agreed(inView(uris, honoured)),
          isShown: (uri) => isShown(deps.views.latest(key), call.principal, { server, uris }, uri),
        });
        if (took > 0) waitMs = RETRY_MS;
      } else {
        // What the server refuses now it may take later; the client has been told by then.
        agreed([]);
      }
      abort.signal.removeEventListener("abort", end);
      await sleep(deps.timers, jittered(waitMs), abort.signal);
    }
  }

  return listen;
}

/** Passes updates on until the server ends its stream; gives their number. */
async function pump(
  next: () => Promise<readonly Uint8Array[] | undefined>,
  mailbox: Mailbox,
  { agreed, isShown }: {
    readonly agreed: (uris: readonly string[]) => void;
    readonly isShown: (uri: unknown) => boolean;
  },
): Promise<number> {
  let took = 0;
  for (let batch = await next(); batch !== undefined; batch = await next()) {
    for (const bytes of batch) {
      const message = JSON.parse(decoder.decode(bytes));
      if (message.method === "notifications/resources/updated") {
        if (isShown(message.params?.uri)) mailbox.put(bytes);
        took++;
      } else if (message.method === "notifications/subscriptions/acknowledged") {
        const uris = message.params?.notifications?.resourceSubscriptions;
        agreed(Array.isArray(uris) ? uris : []);
      }
    }
    await mailbox.hasRoom();
  }
  return took;
}

/** Whether this caller may still hear of it; what is below a resource may be on no list. */
function isShown(
  view: View | undefined,
  principal: Principal,
  { server, uris }: Subscribed,
  uri: unknown,
): boolean {
  if (typeof uri !== "string" || view === undefined) return false;
  const isListed = () =>
    view.resolve(principal, uri).some(({ binding }) => binding.server.id === server.id);
  return view.isOpen(principal, server, uris.get(uri) ?? uri) && (!uris.has(uri) || isListed());
}

/** @throws {ProtocolError} -32602 */
function subscribed(
  { view }: ViewEndpoint,
  { principal }: CallContext,
  wanted: unknown,
): readonly Subscribed[] {
  if (wanted === undefined) return [];
  if (!Array.isArray(wanted) || wanted.length > LIMITS.subscriptionsPerSession) {
    const text = `resourceSubscriptions must be a list of up to ${LIMITS.subscriptionsPerSession}`;
    throw new ProtocolError(INVALID_PARAMS, 200, text);
  }
  const parts = new Map<UpstreamServer, Map<string, string>>();
  for (const uri of wanted) {
    if (typeof uri !== "string") continue;
    const [found] = view.resolve(principal, uri);
    if (found === undefined) continue;
    const { server } = found.binding;
    const uris = parts.get(server) ?? new Map<string, string>();
    parts.set(server, uris.set(uri, found.upstreamUri));
  }
  return [...parts].map(([server, uris]) => ({ server, uris }));
}

function inView(uris: ReadonlyMap<string, string>, honoured: readonly string[]): readonly string[] {
  return [...uris].flatMap(([uri, upstreamUri]) =>
    honoured.includes(upstreamUri) || honoured.includes(uri) ? [uri] : []
  );
}

/** The request with another filter, under the client's id: so its messages are the client's. */
function listenMessage({ id, params }: ClientMessage, uris: readonly string[]): ClientMessage {
  const text = JSON.stringify({ ...params, notifications: { resourceSubscriptions: uris } });
  return decodeClientMessage(encoder.encode(
    `{"jsonrpc":"2.0","id":${decoder.decode(id)},"method":"subscriptions/listen","params":${text}}`,
  ));
}

function notification({ id }: ClientMessage, method: string, params: JsonObject = {}): Uint8Array {
  const text = JSON.stringify(params);
  const rest = text === "{}" ? "" : `,${text.slice(1, -1)}`;
  const _meta = `"_meta":{"${META_SUBSCRIPTION_ID}":${decoder.decode(id)}}`;
  return encoder.encode(`{"jsonrpc":"2.0","method":"${method}","params":{${_meta}${rest}}}`);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
