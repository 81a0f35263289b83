/**
 * The upstream servers, in memory: found by slug by those who may see them.
 *
 * @module
 */
import { maySee } from "../domain/access.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer } from "../domain/server.ts";

export interface Upstreams {
  /** `undefined` for a server that does not exist and for one that the principal may not see. */
  readonly find: (slug: string, principal: Principal) => UpstreamServer | undefined;
  /** The server with this slug, whoever may see it. */
  readonly get: (slug: string) => UpstreamServer | undefined;
  readonly list: () => readonly UpstreamServer[];
}

export function createUpstreams(servers: readonly UpstreamServer[]): Upstreams {
  const bySlug = new Map(servers.map((server) => [server.slug, server]));
  return {
    find(slug, principal) {
      const server = bySlug.get(slug);
      return server && maySee(principal, server) ? server : undefined;
    },
    get: (slug) => bySlug.get(slug),
    list: () => servers,
  };
}
