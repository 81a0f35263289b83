/**
 * Requests of revision 2026-07-28: correct unless a test says otherwise.
 *
 * @module
 */

import {
  type HeaderValues,
  type RawOptions,
  type RawReply,
  requestTo,
  sendRaw,
} from "./raw_http.ts";

export const MODERN_REVISION = "2026-07-28";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Message = { [key: string]: Json };

export interface ModernCall {
  /** JSON-RPC method, `tools/call` unless given. */
  readonly method?: string;
  /** Without `_meta`, which is added. */
  readonly params?: Message;
  /** More members of `params._meta`; `undefined` takes one away. */
  readonly meta?: Readonly<Record<string, Json | undefined>>;
  /** The id as JSON text, `1` unless given; `""` makes it a notification. */
  readonly idText?: string;
  readonly path?: string;
  readonly token?: string;
  /** `undefined` takes a usual one away, a list sends it several times. */
  readonly headers?: HeaderValues;
  /** The whole body, instead of the one that is built. */
  readonly body?: string | Uint8Array;
  readonly options?: RawOptions;
}

export interface ModernReply extends RawReply {
  readonly messages: readonly Message[];
  /** The one message that is a response. */
  readonly response: Message;
}

/** Sends a request and reads the whole reply. */
export async function callModern(origin: string, call: ModernCall): Promise<ModernReply> {
  const reply = await sendRaw(origin, modernBytes(origin, call), call.options);
  const messages = messagesOf(reply);
  return {
    ...reply,
    messages,
    get response() {
      return onlyResponse(reply, messages);
    },
  };
}

/** The request as it goes over the wire. */
export function modernBytes(origin: string, call: ModernCall): Uint8Array<ArrayBuffer> {
  return requestTo(origin, {
    path: call.path ?? "/mcp",
    token: call.token,
    headers: {
      "Accept": "application/json, text/event-stream",
      ...mirrorHeaders(call),
      ...call.headers,
    },
    body: call.body ?? modernBody(call),
  });
}

/** The JSON-RPC message of a call, envelope included. */
export function modernBody(call: ModernCall): string {
  const id = call.idText === "" ? "" : `"id":${call.idText ?? "1"},`;
  const method = JSON.stringify(call.method ?? "tools/call");
  const params = JSON.stringify({ ...call.params, _meta: { ...envelope(), ...call.meta } });
  return `{"jsonrpc":"2.0",${id}"method":${method},"params":${params}}`;
}

export function envelope(): Message {
  const prefix = "io.modelcontextprotocol/";
  return {
    [`${prefix}protocolVersion`]: MODERN_REVISION,
    [`${prefix}clientCapabilities`]: {},
    [`${prefix}clientInfo`]: { name: "sallyport-tests", version: "1.0.0" },
  };
}

/** The headers that repeat what the body says. */
export function mirrorHeaders({ method = "tools/call", params = {} }: ModernCall) {
  const named = method === "resources/read" ? params.uri : params.name;
  const mirrorsName = ["tools/call", "prompts/get", "resources/read"].includes(method);
  return {
    "MCP-Protocol-Version": MODERN_REVISION,
    "Mcp-Method": method,
    ...mirrorsName && typeof named === "string" ? { "Mcp-Name": headerValue(named) } : {},
  };
}

/** A value as it may stand in a header: as it is, or in the Base64 form. */
export function headerValue(text: string): string {
  const isPlain = /^[!-~]([ -~]*[!-~])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text);
  return isPlain ? text : `=?base64?${new TextEncoder().encode(text).toBase64()}?=`;
}

/** The data of each event that is not empty. */
export function eventData(stream: string): string[] {
  return stream.split(/\r\n\r\n|\n\n|\r\r/).flatMap((block) => {
    const data = block.split(/\r\n|\n|\r/).flatMap((line) =>
      line.startsWith("data:") ? [line.slice(5).replace(/^ /, "")] : []
    ).join("\n");
    return data ? [data] : [];
  });
}

/** The messages of a reply, in order: one for a JSON body, all events of a stream. */
export function messagesOf(reply: RawReply): Message[] {
  const type = reply.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (type.startsWith("text/event-stream")) {
    return eventData(reply.text).map((text) => JSON.parse(text));
  }
  return /^application\/([a-z.]+\+)?json/.test(type) && reply.text ? [JSON.parse(reply.text)] : [];
}

/** @throws when there is none, or more than one */
export function onlyResponse(reply: RawReply, messages: readonly Message[]): Message {
  const responses = messages.filter((message) => "result" in message || "error" in message);
  if (responses.length === 1) return responses[0]!;
  const said = `${reply.status} ${reply.text.slice(0, 500)}`;
  throw new Error(`Expected one response, got ${responses.length}: ${said}`);
}
