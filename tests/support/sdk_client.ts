/**
 * The SDK's own client, with answers ready for what a server may ask, and a record of what it said
 * and heard.
 *
 * @module
 */
import {
  Client,
  type FetchLike,
  ProtocolError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
// @ts-types="@modelcontextprotocol/sdk/types"
import { McpError } from "@modelcontextprotocol/sdk/types.js";
import type { Message } from "./modern.ts";

export const NEGOTIATIONS = {
  legacy: "legacy",
  auto: "auto",
  pinned: { pin: "2026-07-28" },
} as const;
export type Negotiation = keyof typeof NEGOTIATIONS;

export interface SdkSession extends AsyncDisposable {
  readonly client: Client;
  /** Of the session era only. */
  readonly sessionId: string | undefined;
  /** Requests as they were sent, in order. */
  readonly sent: Message[];
  /** Status of each reply whose head has come, in order. */
  readonly replies: number[];
  /** Notifications that a server sends unasked, in order. */
  readonly heard: Message[];
  /** Methods of the questions that were answered, in order. */
  readonly asked: string[];
}

export interface SdkOptions {
  readonly negotiation: Negotiation;
  readonly token?: string | undefined;
  /** What requests go through on their way to the network. */
  readonly fetch?: FetchLike;
  /** Of a session that is open already: the client joins it. */
  readonly sessionId?: string;
}

export const HEARD = [
  "notifications/message",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
] as const;

/** What the user of this client types, whatever the form asks for. */
const FORM = { name: "Ada", color: "blue", ok: true, context: "Tests" };

/** What this client answers, by what it is asked. */
export const ANSWERS = {
  "elicitation/create": { action: "accept", content: FORM },
  "sampling/createMessage": {
    role: "assistant",
    content: { type: "text", text: "Paris" },
    model: "none",
  },
  "roots/list": { roots: [{ uri: "file:///project", name: "Project" }] },
} as const;

export const CAPABILITIES = { roots: {}, sampling: {}, elicitation: { form: {} } };

/** Connects to `url`; the session ends the connection. */
export async function connectSdk(url: string, options: SdkOptions): Promise<SdkSession> {
  const sent: Message[] = [];
  const replies: number[] = [];
  const heard: Message[] = [];
  const asked: string[] = [];
  const client = new Client({ name: "sallyport-tests", version: "1.0.0" }, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: NEGOTIATIONS[options.negotiation] },
  });
  const answer = <M extends keyof typeof ANSWERS>(method: M) => {
    asked.push(method);
    return structuredClone<(typeof ANSWERS)[M]>(ANSWERS[method]);
  };
  client.setRequestHandler("elicitation/create", () => answer("elicitation/create"));
  client.setRequestHandler("sampling/createMessage", () => answer("sampling/createMessage"));
  client.setRequestHandler("roots/list", () => {
    const { roots } = answer("roots/list");
    return { roots: [...roots] };
  });
  for (const method of HEARD) {
    client.setNotificationHandler(method, (notification) => {
      heard.push(JSON.parse(JSON.stringify(notification)));
    });
  }
  const recording: FetchLike = async (target, init) => {
    if (typeof init?.body === "string") sent.push(JSON.parse(init.body));
    const response = await (options.fetch ?? fetch)(target, init);
    replies.push(response.status);
    return response;
  };
  const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {};
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    fetch: recording,
    ...options.sessionId !== undefined && { sessionId: options.sessionId },
  });
  await client.connect(transport);
  return {
    client,
    get sessionId() {
      return transport.sessionId;
    },
    sent,
    replies,
    heard,
    asked,
    async [Symbol.asyncDispose]() {
      // The session ends with the client that opened it.
      if (options.sessionId === undefined) await transport.terminateSession().catch(() => {});
      await client.close();
    },
  };
}

/** The JSON-RPC error with which a call fails. */
export async function errorOf(
  call: Promise<unknown>,
): Promise<{ code: number; message: string; data: unknown }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof McpError) {
      return { code: error.code, message: error.message, data: error.data };
    }
    throw error;
  }
  throw new Error("The call did not fail");
}
