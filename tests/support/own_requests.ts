/**
 * What a gateway asks servers on its own account (what they offer, which era they speak, whether
 * they live), told from what its clients ask: most tests are about the latter alone.
 *
 * @module
 */
import { isRecord } from "../../fixtures/hostile/rpc.ts";

/** Ids of sessions that a server opens for the gateway itself begin like this. */
export const OWN_SESSION = "own-";

/**
 * Whether it is a request of the gateway's own. What has no id is known by its session.
 *
 * @param message as it was decoded
 */
export function isOwnRequest(message: unknown, sessionId?: string | null): boolean {
  if (sessionId?.startsWith(OWN_SESSION)) return true;
  return isRecord(message) && typeof message.id === "string" && /^sallyport-/.test(message.id);
}
