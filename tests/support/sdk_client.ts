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
import type { Message } from "./modern.ts";

export const NEGOTIATIONS = { auto: "auto", pinned: { pin: "2026-07-28" } } as const;
export type Negotiation = keyof typeof NEGOTIATIONS;

export interface SdkSession extends AsyncDisposable {
  readonly client: Client;
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
  readonly token?: string;
}

const HEARD = [
  "notifications/message",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
] as const;

/** What the user of this client types, whatever the form asks for. */
const FORM = { name: "Ada", color: "blue", ok: true, context: "Tests" };

/** Connects to `url`; the session ends the connection. */
export async function connectSdk(url: string, options: SdkOptions): Promise<SdkSession> {
  const sent: Message[] = [];
  const replies: number[] = [];
  const heard: Message[] = [];
  const asked: string[] = [];
  const client = new Client({ name: "sallyport-tests", version: "1.0.0" }, {
    capabilities: { roots: {}, sampling: {}, elicitation: { form: {} } },
    versionNegotiation: { mode: NEGOTIATIONS[options.negotiation] },
  });
  client.setRequestHandler("elicitation/create", () => {
    asked.push("elicitation/create");
    return { action: "accept", content: FORM };
  });
  client.setRequestHandler("sampling/createMessage", () => {
    asked.push("sampling/createMessage");
    return { role: "assistant", content: { type: "text", text: "Paris" }, model: "none" };
  });
  client.setRequestHandler("roots/list", () => {
    asked.push("roots/list");
    return { roots: [{ uri: "file:///project", name: "Project" }] };
  });
  for (const method of HEARD) {
    client.setNotificationHandler(method, (notification) => {
      heard.push(JSON.parse(JSON.stringify(notification)));
    });
  }
  const recording: FetchLike = async (target, init) => {
    if (typeof init?.body === "string") sent.push(JSON.parse(init.body));
    const response = await fetch(target, init);
    replies.push(response.status);
    return response;
  };
  const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {};
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers },
      fetch: recording,
    }),
  );
  return { client, sent, replies, heard, asked, [Symbol.asyncDispose]: () => client.close() };
}

/** The JSON-RPC error with which a call fails. */
export async function errorOf(
  call: Promise<unknown>,
): Promise<{ code: number; message: string; data: unknown }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ProtocolError) {
      return { code: error.code, message: error.message, data: error.data };
    }
    throw error;
  }
  throw new Error("The call did not fail");
}
