/**
 * The requests that are sent, as the texts that go over the wire: one shape for each era.
 *
 * @module
 */

import type { RequestAsked } from "./cases.ts";
import { ANNOUNCE_PATH, SESSION_REVISION, STATELESS_REVISION } from "./payload.ts";
import { type Address, ID_PLACEHOLDER, SESSION_PLACEHOLDER, type SessionScript } from "./types.ts";

const CLIENT_INFO = { name: "bench", version: "1.0.0" };
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": STATELESS_REVISION,
  "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
  "io.modelcontextprotocol/clientCapabilities": {},
};
const ID = Number(ID_PLACEHOLDER);

/** The requests of a case: one for each name that its tool has there. */
export function requestsOf(asked: RequestAsked, address: Address): string[] {
  const { prefixes = [""] } = address;
  const names = asked.tool === undefined ? [undefined] : prefixes.map((it) => it + asked.tool);
  return names.map((name) => requestOf(asked, address, name));
}

/** Head and body of a case's request, with places for id, progress token and session. */
export function requestOf(asked: RequestAsked, address: Address, tool = asked.tool): string {
  const { method } = asked;
  const named = tool === undefined ? {} : { name: tool, arguments: asked.args ?? {} };
  const progress = asked.expect.kind === "progress" ? { progressToken: ID } : undefined;
  if (asked.era === "session") {
    const params = progress === undefined ? named : { ...named, _meta: progress };
    return post(address, IN_SESSION, { id: ID, method, params });
  }
  const _meta = { ...ENVELOPE, ...progress };
  const headers = [
    `MCP-Protocol-Version: ${STATELESS_REVISION}`,
    `Mcp-Method: ${method}`,
    ...(tool === undefined ? [] : [`Mcp-Name: ${tool}`]),
  ];
  return post(address, headers, { id: ID, method, params: { ...named, _meta } });
}

/** Asks for one page of the list of tools. */
export function listRequestOf(address: Address, cursor: string | undefined): string {
  const headers = [`MCP-Protocol-Version: ${STATELESS_REVISION}`, "Mcp-Method: tools/list"];
  const params = { ...(cursor === undefined ? {} : { cursor }), _meta: ENVELOPE };
  return post(address, headers, { id: ID, method: "tools/list", params });
}

/** A request that is none of the protocol. */
export function plainRequestOf(method: string, address: Address, body?: object): string {
  if (method === "GET" || method === "DELETE") return headOf(method, address, []);
  if (body === undefined) return headOf(method, address, ["Content-Length: 0"]);
  const text = JSON.stringify(body);
  const headers = ["Content-Type: application/json", `Content-Length: ${text.length}`];
  return headOf(method, address, headers) + text;
}

/** How a session is opened and ended there. */
export function sessionScriptOf(address: Address): SessionScript {
  const params = {
    protocolVersion: SESSION_REVISION,
    capabilities: {},
    clientInfo: CLIENT_INFO,
  };
  return {
    initialize: post(address, [], { id: ID, method: "initialize", params }),
    initialized: post(address, IN_SESSION, { method: "notifications/initialized" }),
    end: headOf("DELETE", address, IN_SESSION),
  };
}

/** Opens the stream of a session. */
export function streamRequestOf(address: Address): string {
  return headOf("GET", address, ["Accept: text/event-stream", ...IN_SESSION]);
}

/** Asks the stub to say something on every stream. */
export function announceRequestOf(stubPort: number): string {
  return headOf("POST", { port: stubPort, path: ANNOUNCE_PATH }, ["Content-Length: 0"]);
}

const IN_SESSION = [
  `MCP-Protocol-Version: ${SESSION_REVISION}`,
  `Mcp-Session-Id: ${SESSION_PLACEHOLDER}`,
];

function post(address: Address, headers: readonly string[], message: object): string {
  const body = JSON.stringify({ jsonrpc: "2.0", ...message });
  const head = headOf("POST", address, [
    "Content-Type: application/json",
    "Accept: application/json, text/event-stream",
    ...headers,
    `Content-Length: ${body.length}`,
  ]);
  return head + body;
}

function headOf(method: string, address: Address, headers: readonly string[]): string {
  const { port, path, token } = address;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...headers,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
  ];
  return lines.join("\r\n") + "\r\n\r\n";
}
