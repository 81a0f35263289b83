/**
 * A session of the session era as its client opens and ends it. Only for the load generator.
 *
 * @module
 */

import { initializeFault } from "./check.ts";
import type { Connection } from "./connection.ts";
import { ID_PLACEHOLDER, SESSION_PLACEHOLDER, type SessionScript } from "./types.ts";

/** Room for the answers to the requests of a script. */
export const SCRIPT_REPLY_BYTES_MAX = 65_536;

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/**
 * Initializes a session and says so. Returns its id.
 *
 * @throws {Error} when an answer is wrong
 */
export async function openSession(
  connection: Connection,
  script: SessionScript,
  nextId: () => string,
): Promise<string> {
  const id = nextId();
  const reply = await connection.exchange(
    encoder.encode(script.initialize.replaceAll(ID_PLACEHOLDER, id)),
  );
  const fault = initializeFault(reply, id);
  if (fault !== undefined) throw new Error(fault);
  const session = reply.sessionId ?? "";
  await exchange(connection, inSession(script.initialized, session), [202]);
  return session;
}

/**
 * Ends a session.
 *
 * @throws {Error} when that is not done
 */
export async function endSession(
  connection: Connection,
  script: SessionScript,
  session: string,
): Promise<void> {
  await exchange(connection, inSession(script.end, session), [200, 204]);
}

/** The request as it is sent in this session. */
export function inSession(request: string, session: string): string {
  return request.replaceAll(SESSION_PLACEHOLDER, session);
}

async function exchange(
  connection: Connection,
  request: string,
  wanted: readonly number[],
): Promise<void> {
  const { status, body } = await connection.exchange(encoder.encode(request));
  if (wanted.includes(status)) return;
  const line = request.slice(0, request.indexOf("\r\n"));
  throw new Error(`${line}: status ${status}: ${latin1.decode(body.subarray(0, 200))}`);
}
