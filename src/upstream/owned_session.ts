/**
 * Ids of sessions that only one replica can serve, because it has the child process or the event
 * stream: they name it. They are the gateway's own; no server ever sees them.
 *
 * @module
 */
import type { UpstreamServer } from "../domain/server.ts";

/** Tells sessions on event streams of 2024-11-05 from those that servers have named. */
export const OF_SSE = "sse-channel-";

const OWNED = /^(?:sse-channel-)?([\w-]+)\.[\w-]+$/;

/** @param random unguessable, as base64url */
export function ownedSessionId(replica: string, random: string): string {
  return `${replica}.${random}`;
}

/** The replica that has the session; `undefined` for one that any replica can go on with. */
export function ownerOfSession(
  { transport }: UpstreamServer,
  session: string | undefined,
): string | undefined {
  // What servers name themselves may look like anything.
  const isOwned = transport !== "http" || session?.startsWith(OF_SSE);
  return isOwned ? OWNED.exec(session ?? "")?.[1] : undefined;
}
