/**
 * The SDKs' clients of the session era: v1, and v2 as it speaks unless told otherwise.
 *
 * @module
 */
import type { FetchLike } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client";
// @ts-types="@modelcontextprotocol/sdk/client/sse"
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { Message } from "./modern.ts";
import type { SessionPeer } from "./sdk_caller.ts";
import { ANSWERS, CAPABILITIES, connectSdk, HEARD, type Negotiation } from "./sdk_client.ts";

export interface PeerOptions {
  readonly token?: string | undefined;
  /** What requests go through on their way to the network. */
  readonly fetch?: FetchLike;
  /** Of a session that is open already: the client joins it. */
  readonly sessionId?: string;
}

/** Connects to `url`; the session ends with the peer. */
export type Connect = (url: string, options?: PeerOptions) => Promise<SessionPeer>;

export const connectV1: Connect = (url, options = {}) => {
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: headersOf(options) },
    ...options.fetch && { fetch: options.fetch },
    ...options.sessionId !== undefined && { sessionId: options.sessionId },
  });
  // The session ends with the client that opened it.
  const end = async () => {
    if (options.sessionId === undefined) await transport.terminateSession().catch(() => {});
  };
  return connectOver(transport, end);
};

/** The same client over the transport of 2024-11-05, at a URL that ends in `/sse`. */
export const connectSse: Connect = (url, options = {}) => {
  const transport = new SSEClientTransport(new URL(url), {
    requestInit: { headers: headersOf(options) },
    ...options.fetch && { fetch: options.fetch },
  });
  let revision: string | undefined;
  const settle = transport.setProtocolVersion.bind(transport);
  transport.setProtocolVersion = (version) => settle(revision = version);
  const facts = {
    get protocolVersion() {
      return revision;
    },
    sessionId: undefined,
  };
  return connectOver(transport, () => Promise.resolve(), facts);
};

function headersOf({ token }: PeerOptions): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

interface TransportFacts {
  readonly protocolVersion: string | undefined;
  readonly sessionId: string | undefined;
}

/** @param end called before the client closes its connection */
async function connectOver<T extends StreamableHTTPClientTransport | SSEClientTransport>(
  transport: T,
  end: () => Promise<void>,
  facts: TransportFacts = transport as TransportFacts,
): Promise<SessionPeer> {
  const heard: Message[] = [];
  const asked: string[] = [];
  const client = new Client({ name: "sallyport-tests", version: "1.0.0" }, {
    capabilities: CAPABILITIES,
  });
  const answer = <M extends keyof typeof ANSWERS>(method: M) => {
    asked.push(method);
    return structuredClone<(typeof ANSWERS)[M]>(ANSWERS[method]);
  };
  client.setRequestHandler(ElicitRequestSchema, () => answer("elicitation/create"));
  client.setRequestHandler(CreateMessageRequestSchema, () => answer("sampling/createMessage"));
  client.setRequestHandler(ListRootsRequestSchema, () => {
    const { roots } = answer("roots/list");
    return { roots: [...roots] };
  });
  client.fallbackNotificationHandler = ({ method, params }) => {
    if (HEARD.some((known) => known === method)) {
      heard.push(JSON.parse(JSON.stringify({ method, params })));
    }
    return Promise.resolve();
  };
  await client.connect(transport);
  return {
    client,
    call: (params, callOptions) => client.callTool(params, undefined, callOptions),
    revision: facts.protocolVersion,
    sessionId: facts.sessionId,
    server: {
      info: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
    },
    heard,
    asked,
    async [Symbol.asyncDispose]() {
      await end();
      await client.close();
    },
  };
}

export function connectV2(negotiation: Negotiation): Connect {
  return async (url, options = {}) => {
    const sdk = await connectSdk(url, { negotiation, ...options });
    const { client, sessionId, heard, asked } = sdk;
    return {
      client,
      call: (params, callOptions) => client.callTool(params, callOptions),
      revision: client.getNegotiatedProtocolVersion(),
      sessionId,
      server: {
        info: client.getServerVersion(),
        capabilities: client.getServerCapabilities(),
        instructions: client.getInstructions(),
      },
      heard,
      asked,
      [Symbol.asyncDispose]: () => sdk[Symbol.asyncDispose](),
    };
  };
}
