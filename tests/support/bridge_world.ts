/**
 * A gateway in front of one server of 2026-07-28 that a test scripts, for clients of the session era.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "./modern.ts";
import { type Gateway, NEVER_HOLDS_BACK, startGateway } from "./processes.ts";
import {
  jsonReply,
  type Script,
  type Scripted,
  type ScriptedReply,
  type ScriptedRequest,
  startScripted,
} from "./scripted.ts";
import { openSession, type Session, type SessionOptions } from "./session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "./tokens.ts";

export const BRIDGED_PATH = "/servers/one/mcp";

export interface BridgeWorld extends AsyncDisposable {
  readonly server: Scripted;
  readonly gateway: Gateway;
  readonly token: string;
  /** What the server answers from now on; `initialize` is the script's, too. */
  readonly follow: (script: Script) => void;
  /** Opens a session at a server that has none; it answers as the script says. */
  readonly play: (script: Script, options?: SessionOptions) => Promise<Session>;
  /** Another session, whatever the script. */
  readonly open: (options?: SessionOptions) => Promise<Session>;
  /** What the server got since the session was opened, as values. */
  readonly got: (index?: number) => Received;
  readonly textGot: (index?: number) => string;
  /** By its lower-case name. */
  readonly headerGot: (name: string, index?: number) => string | undefined;
}

export type Received = Message & { readonly params: Message & { readonly _meta: Message } };

export async function openBridgeWorld(
  env: Readonly<Record<string, string>> = {},
): Promise<BridgeWorld> {
  let script: Script = refusal;
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startScripted((request) => script(request)));
  const gateway = stack.use(
    await startGateway({
      config: { mcpServers: { one: { type: "http", url: `${server.origin}/mcp` } } },
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET, ...NEVER_HOLDS_BACK, ...env },
    }),
  );
  const token = await mintToken();
  const open = (options: SessionOptions = {}) =>
    openSession(gateway.origin, { path: BRIDGED_PATH, token, ...options });
  const textGot = (index = 0) => server.requests[index]!.body;
  return {
    server,
    gateway,
    token,
    follow: (then) => void (script = then),
    async play(then, options) {
      script = (request) => request.rpc.method === "initialize" ? refusal(request) : then(request);
      const session = await open(options);
      server.requests.length = 0;
      return session;
    },
    open,
    got: (index) => JSON.parse(textGot(index)),
    textGot,
    headerGot: (name, index = 0) =>
      server.requests[index]!.headers.find(([key]) => key.toLowerCase() === name)?.[1],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** As servers of this era refuse what they do not know. */
export function refusal({ rpc }: ScriptedRequest): ScriptedReply {
  const data = { supported: ["2026-07-28"], requested: "2025-11-25" };
  return errorReply(rpc.idText, { code: -32022, message: "Unsupported", data }, "400 Bad Request");
}

export function errorReply(idText: string, error: unknown, status?: string): ScriptedReply {
  return jsonReply(`{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify(error)}}`, status);
}

/** The text of a result that is a failure of the gateway's. */
export function failureIn({ response }: { response: Message }): { code: unknown; text: string } {
  const { isError, content, _meta } = response.result as {
    isError: boolean;
    content: { text: string }[];
    _meta: Record<string, Message>;
  };
  assertEquals(isError, true);
  return { code: _meta["dev.sallyport/failure"]!.code, text: content[0]!.text };
}

/** What a tool said. */
export function saidIn({ response }: { response: Message }): string {
  return (response.result as { content: { text: string }[] }).content[0]!.text;
}
