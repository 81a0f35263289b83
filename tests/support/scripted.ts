/**
 * A server whose replies a test writes byte by byte, in the process of the test. It records what
 * reaches it exactly as it came.
 *
 * It is for what `fixtures/` cannot show: replies that depend on the test's own data, and the
 * bytes of a request. What it is not told to answer is `server/discover`, which it knows. What a
 * gateway asks on its own account it answers as a server that offers nothing, and tells nobody.
 *
 * @module
 */
import { createServer, type Socket } from "node:net";
import { createByteReader } from "../../fixtures/hostile/byte_reader.ts";
import { type HttpRequest, readRequest } from "../../fixtures/hostile/http_request.ts";
import { parseRpc, type RpcRequest } from "../../fixtures/hostile/rpc.ts";
import { isOwnRequest } from "./own_requests.ts";

export interface ScriptedRequest extends HttpRequest {
  readonly rpc: RpcRequest;
}

export interface ScriptedReply {
  /** Written as they are. */
  readonly bytes: string | Uint8Array;
  /** What becomes of the connection then, `keep` unless given. */
  readonly then?: "keep" | "close" | "reset" | "hold";
}

/** `undefined` for a request that the script leaves to the usual answers. */
export type Script = (
  request: ScriptedRequest,
) => ScriptedReply | undefined | Promise<ScriptedReply | undefined>;

export interface Scripted extends AsyncDisposable {
  readonly origin: string;
  /** In order of arrival, `server/discover` left out. */
  readonly requests: ScriptedRequest[];
  readonly connectionsOpen: () => number;
  /** How many replies that were on hold the other side has given up. */
  readonly givenUp: () => number;
}

export async function startScripted(script: Script): Promise<Scripted> {
  const sockets = new Set<Socket>();
  const requests: ScriptedRequest[] = [];
  let givenUp = 0;

  async function serve(socket: Socket): Promise<void> {
    const reader = createByteReader(socket);
    for (;;) {
      const request = await readRequest(reader);
      const rpc = request && parseRpc(request.body);
      if (!request || !rpc) return void socket.destroy();
      const incoming = { ...request, rpc };
      const isOwn = isOwnRequest(rpc.message);
      if (!isOwn && rpc.method !== "server/discover") requests.push(incoming);
      const reply = isOwn ? ownReply(rpc) : await script(incoming) ?? usualReply(rpc);
      if (reply.bytes.length > 0) {
        await new Promise<void>((resolve) => socket.write(reply.bytes, () => resolve()));
      }
      if (reply.then === "close") return void socket.end();
      if (reply.then === "reset") return void socket.resetAndDestroy();
      if (reply.then === "hold") return void socket.once("close", () => givenUp++);
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    serve(socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Not a TCP address");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    requests,
    connectionsOpen: () => sockets.size,
    givenUp: () => givenUp,
    [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A whole JSON reply. */
export function jsonReply(body: string, status = "200 OK"): ScriptedReply {
  return { bytes: httpReply(body, "application/json", status) };
}

/** A whole event stream of these messages. */
export function streamReply(messages: readonly string[]): ScriptedReply {
  return { bytes: httpReply(messages.map((text) => `data: ${text}\n\n`).join("")) };
}

/** The beginning of an event stream that stays open. */
export function openStreamReply(messages: readonly string[]): ScriptedReply {
  const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
  return { bytes: head + messages.map((text) => `data: ${text}\n\n`).join(""), then: "hold" };
}

export function httpReply(body: string, type = "text/event-stream", status = "200 OK"): string {
  const length = new TextEncoder().encode(body).length;
  return `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

/** A response whose result is this text. */
export function resultOf(rpc: RpcRequest, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${rpc.idText},"result":${resultText}}`;
}

/** The result of a tool that says one thing. */
export function saying(text: string): string {
  return JSON.stringify({ resultType: "complete", content: [{ type: "text", text }] });
}

function ownReply(rpc: RpcRequest): ScriptedReply {
  return jsonReply(resultOf(rpc, JSON.stringify({ ...DISCOVERED, capabilities: {} })));
}

function usualReply(rpc: RpcRequest): ScriptedReply {
  if (rpc.method !== "server/discover") return jsonReply(resultOf(rpc, saying("hello")));
  return jsonReply(resultOf(rpc, JSON.stringify(DISCOVERED)));
}

const DISCOVERED = {
  resultType: "complete",
  supportedVersions: ["2026-07-28"],
  capabilities: { tools: {}, prompts: {}, resources: {} },
  ttlMs: 0,
  cacheScope: "private",
};
