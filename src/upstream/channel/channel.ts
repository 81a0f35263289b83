/**
 * A channel: one connection to a server on which both sides say everything, and on which nothing but
 * the messages themselves says what belongs together. A child process is one, and so is an event
 * stream of 2024-11-05.
 *
 * @module
 */
import type { Inbox } from "./inbox.ts";
import type { OwnStream } from "./own_stream.ts";
import type { Router } from "./router.ts";

export interface Channel {
  readonly router: Router;
  /** Of its session. */
  readonly own: OwnStream;
  readonly newInbox: () => Inbox;
  /**
   * Sends one message, of which nothing comes back.
   * @param method of a request or notification
   * @throws {GatewayError} `upstream_unavailable` when too much is waiting to be read
   */
  readonly write: (message: Uint8Array, method: string | undefined) => void;
  /** Whether it takes messages; from its end on, or the beginning of it, it does not. */
  readonly isLive: () => boolean;
  readonly isStateless: () => boolean;
  /** When the server was last not listened to for the sake of somebody who is behind. */
  readonly pausedAtMs: () => number;
  /**
   * Nobody waits for the answer to `initialize` any more: without it there is no session.
   * @param hasExpired whether its time ran out
   */
  readonly abandon: (hasExpired: boolean) => void;
}
