/**
 * What stands behind a URL: one upstream server as it is, or a view of the catalog.
 *
 * @module
 * @see contract.md, section 4
 */
import { audienceOf, mayEnter, maySee } from "../domain/access.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer, VirtualServer } from "../domain/server.ts";
import type { Catalog, Shelf } from "../catalog/catalog.ts";
import { ALL, type View } from "../catalog/view.ts";
import { audienceKey } from "../catalog/view_part.ts";
import type { Views } from "../catalog/views.ts";

export type Endpoint = VerbatimEndpoint | ViewEndpoint;

/** An upstream server as it is. */
export interface VerbatimEndpoint {
  readonly kind: "verbatim";
  /** Unique among endpoints, and kept with sessions. */
  readonly key: string;
  readonly server: UpstreamServer;
  /** Set while something of it is not to be shown: the rest, under the server's own names. */
  readonly narrowed: View | undefined;
}

/** What the gateway makes of the catalog. */
export interface ViewEndpoint {
  readonly kind: "view";
  readonly key: string;
  readonly view: View;
  /** `undefined` for `/mcp`. */
  readonly server: VirtualServer | undefined;
}

export interface Endpoints {
  /** `/mcp`; `undefined` for a credential that is good for one server only. */
  readonly all: (principal: Principal) => ViewEndpoint | undefined;
  /** `undefined` for a server that does not exist and for one that the principal may not see. */
  readonly find: (slugOrId: string, principal: Principal) => Endpoint | undefined;
  /** What is shown of an endpoint, as it was a moment ago; `undefined` for a server as it is. */
  readonly shownAt: (key: string) => View | undefined;
  /**
   * Calls back once when something of a server is not to be shown any more that was relayed as it is.
   * @returns the way to stop that
   */
  readonly watch: (endpoint: Endpoint, changed: () => void) => () => void;
  /** See `Views.ready`; of `/mcp` without a server. */
  readonly ready: (slugOrId: string | undefined) => Promise<void> | undefined;
}

export function createEndpoints(catalog: Catalog, views: Views): Endpoints {
  const made = new WeakMap<object, Endpoint>();

  function ofKey(key: string): Endpoint | undefined {
    const virtual = key === ALL ? undefined : catalog.server(key)?.server;
    if (key === ALL || virtual !== undefined) {
      const view = views.of(key);
      return view && kept(view, () => ({
        kind: "view",
        key,
        view,
        server: virtual,
      }));
    }
    const shelf = catalog.upstream(key);
    return shelf?.server.enabled ? verbatim(shelf) : undefined;
  }

  function verbatim(shelf: Shelf): Endpoint {
    return kept(shelf, () => {
      const { server } = shelf;
      const narrowed = isWhole(shelf) ? undefined : views.of(server.slug);
      return { kind: "verbatim", key: server.slug, server, narrowed };
    });
  }

  /** Whether what was relayed as it is must not be any more. */
  function isNarrowed(key: string): boolean {
    const now = ofKey(key);
    return now?.kind === "verbatim" && now.narrowed !== undefined;
  }

  function kept(of: object, make: () => Endpoint): Endpoint {
    let endpoint = made.get(of);
    if (endpoint === undefined) made.set(of, endpoint = make());
    return endpoint;
  }

  return {
    all(principal) {
      if (!mayEnter(principal)) return undefined;
      const endpoint = ofKey(ALL);
      return endpoint?.kind === "view" ? endpoint : undefined;
    },
    find(slugOrId, principal) {
      const record = catalog.server(slugOrId)?.server ?? catalog.upstream(slugOrId)?.server;
      if (record === undefined || !maySee(principal, record)) return undefined;
      if (!mayEnter(principal, record.slug, record.id)) return undefined;
      return ofKey(record.slug);
    },
    shownAt: (key) =>
      key === ALL || catalog.server(key) !== undefined || isNarrowed(key)
        ? views.latest(key)
        : undefined,
    watch(endpoint, changed) {
      if (endpoint.kind === "view" || endpoint.narrowed !== undefined) return () => {};
      const look = () => {
        if (!isNarrowed(endpoint.key)) return;
        stop();
        changed();
      };
      const stop = catalog.follow(look);
      // It may have been narrowed since it was looked up.
      if (isNarrowed(endpoint.key)) queueMicrotask(look);
      return stop;
    },
    ready(slugOrId) {
      const key = slugOrId === undefined ? ALL : catalog.server(slugOrId)?.server.slug;
      return key === undefined ? undefined : views.ready(key);
    },
  };
}

/** Whether whoever sees the server sees all that it offers. */
function isWhole({ server, items }: Shelf): boolean {
  const whose = audienceKey(server);
  return items.every((item) => item.enabled && audienceKey(audienceOf({ server, item })) === whose);
}
