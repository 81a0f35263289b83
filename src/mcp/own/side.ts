/**
 * What the gateway's own client does differently in each era.
 *
 * Contract; `own_stateless.ts` and `own_session.ts` implement it.
 *
 * @module
 */
import type { Description } from "../../catalog/reader.ts";
import type { ItemKind } from "../../domain/item.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { UpstreamReply } from "../../upstream/reply.ts";
import type { JsonObject } from "../message.ts";
import type { Found } from "../upstream_message.ts";
import type { OwnAnswer } from "./calls.ts";

export interface OwnSide {
  /** @throws as `UpstreamReader.describe` */
  readonly describe: (server: UpstreamServer, abort: AbortController) => Promise<Description>;
  /** @throws as `OwnCalls.ask` */
  readonly ask: (
    server: UpstreamServer,
    method: string,
    params: JsonObject | undefined,
    abort: AbortController,
  ) => Promise<OwnAnswer>;
  /** The cheapest request that every server of the era answers. */
  readonly pingMethod: string;
  /**
   * Opens the stream on which the server says that lists change.
   * @param eventId where an earlier stream was left
   * @returns `none` when the server has no such stream
   * @throws as `OwnCalls.listen`
   */
  readonly listen: (
    server: UpstreamServer,
    kinds: readonly ItemKind[],
    eventId: string | undefined,
    abort: AbortController,
  ) => Promise<OwnStream | "none">;
  /** Ends what is kept at the server. Never rejects. */
  readonly end: (server: UpstreamServer) => Promise<void>;
}

export interface OwnStream {
  readonly reply: UpstreamReply;
  /** Whether nothing was missed since the earlier stream. */
  readonly isResumed: boolean;
  /** Whether the server begins with `notifications/subscriptions/acknowledged`. */
  readonly isAcknowledged: boolean;
  readonly asked: ((message: Uint8Array, question: Found) => void) | undefined;
}
