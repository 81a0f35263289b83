/**
 * The HTTP client against a server that answers byte for byte what a test says.
 *
 * @module
 */
import type { HttpClient, HttpReply, HttpRequest } from "../../../src/platform/http1/client.ts";
import { createHttpClient } from "../../../src/platform/http1/client.ts";
import { type FakeClock, fakeClock } from "../../support/fake_clock.ts";
import { openRawServer, type RawPeer, type RawServer } from "../../support/raw_server.ts";
import { textOf } from "../../support/bytes.ts";

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

export const BYTES_MAX = 1_000_000;

export interface ClientWorld extends AsyncDisposable {
  readonly client: HttpClient;
  readonly server: RawServer;
  readonly clock: FakeClock;
  readonly send: (more?: Partial<HttpRequest>) => Promise<HttpReply>;
  /** Sends, reads the whole body and gives the connection back. */
  readonly ask: (more?: Partial<HttpRequest>) => Promise<string>;
}

export function openClientWorld(
  serve: (peer: RawPeer, nth: number) => Promise<void> | void,
): ClientWorld {
  const server = openRawServer(serve);
  const clock = fakeClock();
  const client = createHttpClient(clock);
  const send = (more: Partial<HttpRequest> = {}) =>
    client.send({
      target: { secure: false, hostname: "127.0.0.1", port: server.port },
      head: "POST /mcp HTTP/1.1\r\nHost: upstream\r\n",
      body: new Uint8Array(0),
      idempotent: false,
      connectMs: 5_000,
      checkAddress: () => {},
      signal: new AbortController().signal,
      ...more,
    });
  return {
    client,
    server,
    clock,
    send,
    ask: async (more) => await bodyOf(await send(more)),
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Reads the body and releases the reply. */
export async function bodyOf(reply: HttpReply, max = BYTES_MAX): Promise<string> {
  try {
    return textOf(await reply.whole(max, () => {}))!;
  } finally {
    reply.release();
  }
}

/** Answers every request of every connection with the same bytes. */
export function always(...answer: (string | Uint8Array)[]): (peer: RawPeer) => Promise<void> {
  return async (peer) => {
    while (await peer.request()) for (const part of answer) await peer.write(part);
  };
}

/** Answers one request per connection, then closes it. */
export function once(...answer: (string | Uint8Array)[]): (peer: RawPeer) => Promise<void> {
  return async (peer) => {
    await peer.request();
    for (const part of answer) await peer.write(part);
  };
}
