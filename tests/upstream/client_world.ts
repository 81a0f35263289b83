/**
 * The client of upstream servers against servers by hand, with names that resolve as a test says.
 *
 * @module
 */
import { PLAIN_UPSTREAM } from "../support/plain_upstream.ts";
import type { HttpUpstream } from "../../src/domain/server.ts";
import { createByteBudget } from "../../src/platform/byte_budget.ts";
import type { DialTarget, Resolve } from "../../src/platform/dial.ts";
import { createHttpClient, type HttpClient } from "../../src/platform/http1/client.ts";
import { createEgressPolicy, type EgressOptions } from "../../src/policy/egress.ts";
import type { UpstreamRequest } from "../../src/upstream/client.ts";
import { createMcpClient, type HttpMcpClient } from "../../src/upstream/mcp_client.ts";
import { type FakeClock, fakeClock, type FakeTimers, fakeTimers } from "../support/fake_clock.ts";
import { openRawServer, type RawPeer, type RawServer } from "../support/raw_server.ts";

export interface UpstreamWorld extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly timers: FakeTimers;
  readonly http: HttpClient;
  readonly client: HttpMcpClient;
  readonly call: (server: HttpUpstream, more?: Partial<UpstreamRequest>) => Promise<string>;
}

export interface WorldOptions {
  readonly egress?: Partial<EgressOptions>;
  readonly resolve?: Resolve;
}

/** Under the egress policy as the gateway puts it: declared servers are free. */
export function openUpstreamWorld(options: WorldOptions = {}): UpstreamWorld {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const http = createHttpClient(clock, options.resolve);
  const egress = createEgressPolicy({ allowPrivate: [], own: [], ...options.egress });
  const checkAddress = (server: HttpUpstream, target: DialTarget, address: string) => {
    if (!server.declared) egress.checkAddress(target, address);
  };
  const client = createMcpClient({ http, clock, timers, budget: createByteBudget(1e6) }, {
    connectMs: 1_000,
    messageBytesMax: 1e6,
    userAgent: "sallyport/test",
    checkAddress,
  });
  return {
    clock,
    timers,
    http,
    client,
    async call(server, more = {}) {
      const reply = await client.send(server, { ...aRequest(), ...more });
      const message = await reply.next();
      const text = new TextDecoder().decode(message);
      reply.close();
      return text;
    },
    [Symbol.asyncDispose]() {
      http.close();
      return Promise.resolve();
    },
  };
}

export function aRequest(): UpstreamRequest {
  return {
    body: new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"tools/call"}'),
    headers: "Mcp-Method: tools/call\r\n",
    idempotent: false,
    firstMs: 30_000,
    silenceMs: 30_000,
    totalMs: 30_000,
    abort: new AbortController(),
  };
}

/** A server made through the API, unless `declared` says otherwise. */
export function anUpstream(url: string | URL, more: Partial<HttpUpstream> = {}): HttpUpstream {
  return {
    id: "id-1",
    name: "One",
    slug: "one",
    ...PLAIN_UPSTREAM,
    seq: 1,
    transport: "http",
    url: new URL(url),
    headers: {},
    auth: { type: "none" },
    ...more,
  };
}

export interface Recorded {
  readonly head: string;
  readonly body: string;
}

export interface RecordingServer extends RawServer {
  readonly requests: readonly Recorded[];
  readonly url: string;
}

/** Keeps what it is sent. @param answer the whole reply; given the request and its number from 0 */
export function openRecorder(
  answer: (request: Recorded, nth: number) => string | Promise<string>,
): RecordingServer {
  const requests: Recorded[] = [];
  const server = openRawServer(async (peer: RawPeer) => {
    for (let one = await peer.request(); one !== undefined; one = await peer.request()) {
      const nth = requests.push(one) - 1;
      await peer.write(await answer(one, nth));
    }
  });
  return Object.assign(server, { requests, url: `http://127.0.0.1:${server.port}/mcp` });
}

/** An HTTP reply with a JSON body. */
export function json(status: number, value: unknown, headers = ""): string {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  return `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\n${headers}` +
    `Content-Length: ${new TextEncoder().encode(body).length}\r\n\r\n${body}`;
}

export const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{}}';

/** All values of a header in a head, by its name in any case. */
export function valuesOf(head: string, name: string): readonly string[] {
  return head.split("\r\n").slice(1).map((line) => line.split(/:\s*(.*)/s))
    .filter(([key]) => key!.toLowerCase() === name.toLowerCase()).map(([, value]) => value!);
}
