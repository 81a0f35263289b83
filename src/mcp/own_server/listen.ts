/**
 * `subscriptions/listen` at the gateway's own server: says when a resource that is subscribed to is
 * not what it was. That lists have changed is told by views.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
import type { Catalog } from "../../catalog/catalog.ts";
import { partsOfOwnUri } from "../../domain/own_item.ts";
import { OWN_SERVER } from "../../domain/server.ts";
import type { ItemRow } from "../../storage/catalog_tables.ts";
import type { UpstreamReply } from "../../upstream/reply.ts";
import { isObject, type JsonObject } from "../message.ts";
import { NO_SESSION } from "../replies.ts";
import { META_SUBSCRIPTION_ID } from "../revisions/stateless_era.ts";
import type { OwnLookup } from "./lookup.ts";
import { messageOf } from "./replies.ts";

export interface OwnListenDeps {
  readonly own: OwnLookup;
  readonly follow: Catalog["follow"];
}

export function createOwnListen({ own, follow }: OwnListenDeps) {
  const itemOf = (uri: string) => own.withId(partsOfOwnUri(uri)?.id);

  return (id: unknown, { notifications }: JsonObject, abort: AbortController): UpstreamReply => {
    const wanted = isObject(notifications) ? notifications.resourceSubscriptions : undefined;
    const uris = Array.isArray(wanted) ? wanted.filter((uri) => typeof uri === "string") : [];
    const known = new Map<string, ItemRow | undefined>(uris.map((uri) => [uri, itemOf(uri)]));
    /** Of each resource, that it has changed is said once, however long nobody reads. */
    const changed = new Set<string>();
    let isAcknowledged = false;
    let isClosed = false;
    let waiting: PromiseWithResolvers<void> | undefined;

    const said = (method: string, params: JsonObject) =>
      messageOf({ method, params: { _meta: { [META_SUBSCRIPTION_ID]: id }, ...params } });

    function take(): Uint8Array | undefined {
      if (!isAcknowledged) {
        isAcknowledged = true;
        const honoured = { resourceSubscriptions: uris };
        return said("notifications/subscriptions/acknowledged", { notifications: honoured });
      }
      const [uri] = changed;
      if (uri === undefined) return undefined;
      changed.delete(uri);
      return said("notifications/resources/updated", { uri });
    }

    async function next(): Promise<Uint8Array | undefined> {
      for (;;) {
        abort.signal.throwIfAborted();
        const message = take();
        if (message !== undefined || isClosed) return message;
        waiting ??= Promise.withResolvers();
        await waiting.promise;
        waiting = undefined;
      }
    }

    const stop = follow(({ upstreams }) => {
      if (!upstreams.has(OWN_SERVER.id)) return;
      for (const [uri, before] of known) {
        const now = itemOf(uri);
        if (now === before) continue;
        known.set(uri, now);
        changed.add(uri);
      }
      if (changed.size > 0) waiting?.resolve();
    });
    function close(): void {
      isClosed = true;
      stop();
      abort.signal.removeEventListener("abort", close);
      waiting?.resolve();
    }
    abort.signal.addEventListener("abort", close);
    if (abort.signal.aborted) close();
    return { ...NO_SESSION, status: 200, isStream: true, isOwned: true, next, take, close };
  };
}
