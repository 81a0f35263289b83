/**
 * What is asked of every contender: the list of cases, and the request of revision 2026-07-28 that each
 * of them sends.
 *
 * @module
 */

import { TOOL_NAMES } from "./payload.ts";
import { type Expectation, ID_PLACEHOLDER } from "./types.ts";

/** One case: a request and the number of connections that send it. */
export interface BenchCase {
  readonly name: CaseName;
  readonly title: string;
  readonly method: "tools/call" | "tools/list";
  readonly tool?: string;
  readonly args?: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly expect: Expectation;
  /** What throughput and CPU time are given per: a request, or each notification in its answer. */
  readonly unit: "request" | "notification";
  readonly unitsPerRequest: number;
  /** Whether the contender with tokens takes part. */
  readonly withToken: boolean;
}

export type CaseName =
  | "call-1k-1"
  | "call-1k-32"
  | "list-1"
  | "list-32"
  | "call-64k-8"
  | "call-1m-8"
  | "notify-4";

const NOTIFICATIONS = 1000;

/** All cases, in the order in which they are measured and printed. */
export const CASES: readonly BenchCase[] = [
  callText("call-1k-1", 1024, 1, true),
  callText("call-1k-32", 1024, 32, true),
  list("list-1", 1),
  list("list-32", 32),
  callText("call-64k-8", 64 * 1024, 8, false),
  callText("call-1m-8", 1024 * 1024, 8, false),
  {
    name: "notify-4",
    title: `tools/call with ${NOTIFICATIONS} progress notifications, 4 connections`,
    method: "tools/call",
    tool: "notify",
    args: { count: NOTIFICATIONS },
    connections: 4,
    expect: { kind: "progress", count: NOTIFICATIONS },
    unit: "notification",
    unitsPerRequest: NOTIFICATIONS,
    withToken: false,
  },
];

/** Head and body of the case's request, `ID_PLACEHOLDER` in place of id and progress token. */
export function requestOf(which: BenchCase, port: number, path: string, token?: string): string {
  const { method, tool } = which;
  const named = tool === undefined ? {} : { name: tool, arguments: which.args ?? {} };
  const id = Number(ID_PLACEHOLDER);
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {},
    ...(which.unit === "notification" ? { progressToken: id } : {}),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...named, _meta: meta } });
  return [
    `POST ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Content-Type: application/json",
    "Accept: application/json, text/event-stream",
    "MCP-Protocol-Version: 2026-07-28",
    `Mcp-Method: ${method}`,
    ...(tool === undefined ? [] : [`Mcp-Name: ${tool}`]),
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
}

function callText(
  name: CaseName,
  bytes: number,
  connections: number,
  withToken: boolean,
): BenchCase {
  return {
    name,
    title: `tools/call, ${sizeOf(bytes)}, ${connectionsOf(connections)}`,
    method: "tools/call",
    tool: "text",
    args: { bytes },
    connections,
    expect: { kind: "text", bytes },
    unit: "request",
    unitsPerRequest: 1,
    withToken,
  };
}

function list(name: CaseName, connections: number): BenchCase {
  return {
    name,
    title: `tools/list, ${TOOL_NAMES.length} tools, ${connectionsOf(connections)}`,
    method: "tools/list",
    connections,
    expect: { kind: "tools", count: TOOL_NAMES.length },
    unit: "request",
    unitsPerRequest: 1,
    withToken: false,
  };
}

function connectionsOf(count: number): string {
  return count === 1 ? "1 connection" : `${count} connections`;
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${bytes / 1024} KiB` : `${bytes / 1024 / 1024} MiB`;
}
