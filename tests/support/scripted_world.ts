/**
 * A gateway in front of `scripted_session_server.ts`: one process, an endpoint for every script.
 *
 * @module
 */
import { type Gateway, NEVER_HOLDS_BACK, startGateway } from "./processes.ts";
import {
  type SessionScript,
  type Slot,
  slotPath,
  startScriptedSessions,
} from "./scripted_session_server.ts";
import { openSession, type Session, type SessionOptions } from "./session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "./tokens.ts";

export interface ScriptedWorld extends AsyncDisposable {
  readonly gateway: Gateway;
  /** An endpoint that nobody has used yet. */
  readonly play: (script?: (slot: Slot) => SessionScript) => Slot;
  /** What a client needs to open a session there. */
  readonly at: (slot: Slot) => Promise<{ readonly path: string; readonly token: string }>;
  /** Opens a session there, for a subject of its own. */
  readonly open: (slot: Slot, options?: SessionOptions) => Promise<Session>;
}

/** More than a file of tests needs. */
const SLOTS = 250;

export async function openScriptedWorld(
  env: Readonly<Record<string, string>> = {},
): Promise<ScriptedWorld> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startScriptedSessions({ setsGatewayAside: true }));
  const gateway = stack.use(
    await startGateway({
      config: scriptedConfig(server.origin),
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET, SHUTDOWN_GRACE: "1s", ...NEVER_HOLDS_BACK, ...env },
    }),
  );
  const at = async ({ number }: Slot) => ({
    path: slotEndpoint(number),
    token: await mintToken({ sub: `guest-${number}@example.com` }),
  });
  return {
    gateway,
    play: server.play,
    at,
    open: async (slot, options = {}) =>
      await openSession(gateway.origin, { ...await at(slot), ...options }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The gateway's path to a slot. */
export function slotEndpoint(number: number): string {
  return `/servers/slot-${number}/mcp`;
}

/** A config file that names every slot of the server. */
export function scriptedConfig(origin: string) {
  const entries = Array.from({ length: SLOTS }, (_, number) => {
    return [`slot-${number}`, { type: "http", url: `${origin}${slotPath(number)}` }];
  });
  return { mcpServers: Object.fromEntries(entries) };
}
