/**
 * What stands behind a URL: one upstream server as it is, or a view of the catalog.
 *
 * @module
 * @see contract.md, section 4
 */
import { mayEnter, maySee } from "../domain/access.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer, VirtualServer } from "../domain/server.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { ALL, type View } from "../catalog/view.ts";
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
  /** The endpoint of a session, whoever may see it. */
  readonly ofKey: (key: string) => Endpoint | undefined;
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
    if (shelf === undefined || !shelf.server.enabled) return undefined;
    return kept(shelf, () => {
      const { server, items } = shelf;
      const isWhole = items.every(({ enabled }) => enabled);
      return { kind: "verbatim", key, server, narrowed: isWhole ? undefined : views.of(key) };
    });
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
    ofKey,
  };
}
