/**
 * The gateway as a client of its own at upstream servers: to discover what they offer, to hear when
 * that changes, and to ask whether they live.
 *
 * Contract; `mcp/own/own_reader.ts` implements it for both eras.
 *
 * @module
 */
import type { ItemKind } from "../domain/item.ts";
import type { UpstreamServer } from "../domain/server.ts";

export interface UpstreamReader {
  /**
   * What the server says about itself: `server/discover`, or `initialize` in a session of the
   * gateway's own, which is kept.
   * @throws {GatewayError} `upstream_unavailable`, `upstream_timeout`, `upstream_protocol`
   */
  readonly describe: (server: UpstreamServer) => Promise<Description>;
  /**
   * One page of a list.
   * @returns `undefined` when the server has no such method
   * @throws as `describe`
   */
  readonly page: (
    server: UpstreamServer,
    kind: ItemKind,
    cursor: string | undefined,
  ) => Promise<Page | undefined>;
  /** A cheap sign of life, in the session that there is. @throws as `describe` */
  readonly ping: (server: UpstreamServer) => Promise<void>;
  /**
   * Hears of changes until it is stopped; opens the stream again when it breaks. Of a server that
   * was described.
   */
  readonly watch: (server: UpstreamServer, heard: Heard) => ReaderWatch;
  /** Ends what is kept for a server that is gone or has changed. Never rejects. */
  readonly forget: (server: UpstreamServer) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Told of the kinds whose lists may have changed: the server said so, or could not be heard for a
 * while.
 */
export type Heard = (kinds: readonly ItemKind[], why: "said" | "missed") => void;

export interface ReaderWatch {
  /** Resolves when the server can be heard for the first time, or offers nothing to hear. */
  readonly opened: Promise<void>;
  readonly stop: () => void;
}

export interface Description {
  readonly revision: string;
  /**
   * Whether it was described in the stateless era, in which clients repeat arguments as headers, as
   * `x-mcp-header` in a tool's schema says.
   */
  readonly isStateless: boolean;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>> | undefined;
  readonly instructions: string | undefined;
}

export interface Page {
  readonly items: readonly Listed[];
  /** Whether there were more than `LIMITS.itemsPerKind` and one, and the rest was left out. */
  readonly isCut: boolean;
  readonly nextCursor: string | undefined;
  /** Milliseconds; `undefined` when the server said nothing that is a time. */
  readonly ttlMs: number | undefined;
  readonly cacheScope: "public" | "private" | undefined;
}

/** One element of a list. What it says is not checked yet. */
export type Listed =
  /** Its JSON text as sent, on one line: within bounds, and no object in it has a name twice. */
  | { readonly text: string }
  /** Not even that. */
  | { readonly name: string; readonly flaw: string };
