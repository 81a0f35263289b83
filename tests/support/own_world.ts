/**
 * The gateway's own client in the process of the test, in front of scripted servers.
 *
 * @module
 */
import type { UpstreamReader } from "../../src/catalog/reader.ts";
import type { HttpUpstream } from "../../src/domain/server.ts";
import { createEraProbe } from "../../src/mcp/era_probe.ts";
import { createOwnReader } from "../../src/mcp/own/own_reader.ts";
import { createByteBudget } from "../../src/platform/byte_budget.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { createHttpClient } from "../../src/platform/http1/client.ts";
import { createPace } from "../../src/platform/pace.ts";
import { createTimers, type Timer, type Timers } from "../../src/platform/timers.ts";
import { createUpstreamClient, type StdioMcpClient } from "../../src/upstream/connect.ts";
import { createMcpClient } from "../../src/upstream/mcp_client.ts";
import { anUpstream } from "./memory_catalog.ts";

export interface OwnWorld extends AsyncDisposable {
  readonly reader: UpstreamReader;
  /** A server at this address. */
  readonly at: (url: string) => HttpUpstream;
  /** What went wrong on streams. */
  readonly failures: readonly unknown[];
}

export interface OwnWorldOptions {
  /** 2 s unless given. */
  readonly firstByteMs?: number;
  /** Timers, and what is believed of eras, run so many times as fast; 1 unless given. */
  readonly haste?: number;
  readonly messageBytesMax?: number;
  /** For child processes; there are none unless given. */
  readonly stdio?: StdioMcpClient;
}

export function openOwnWorld(options: OwnWorldOptions = {}): OwnWorld {
  const { firstByteMs = 2_000, haste = 1, messageBytesMax = 8 * 1024 * 1024 } = options;
  const clock = systemClock;
  const timers = hasty(createTimers(clock.monotonic), haste);
  const http = createHttpClient(clock);
  const client = createUpstreamClient({
    http: createMcpClient({ http, clock, timers, budget: createByteBudget(256 * 1024 * 1024) }, {
      connectMs: 2_000,
      messageBytesMax,
      userAgent: "sallyport/test",
      checkAddress: () => {},
    }),
    own: { send: nowhere },
    stdio: options.stdio ?? { send: nowhere, remove: nowhere },
  });
  const failures: unknown[] = [];
  const reader = createOwnReader({
    client,
    eras: createEraProbe({ client, refusalOf: () => undefined, clock: hastyClock(haste) }, {
      firstMs: firstByteMs,
      version: "test",
    }),
    clock,
    timers,
    pace: createPace(clock.monotonic),
    told: () => {},
    failed: (_server, error) => void failures.push(error),
  }, { version: "test", firstByteMs });
  return {
    reader,
    failures,
    at: (url) => anUpstream({ url: new URL(url) }),
    async [Symbol.asyncDispose]() {
      await reader.close();
      http.close();
    },
  };
}

function nowhere(): Promise<never> {
  return Promise.reject(new Error("There is no such program"));
}

function hastyClock(haste: number): Clock {
  return { ...systemClock, monotonic: () => systemClock.monotonic() * haste };
}

function hasty(timers: Timers, haste: number): Timers {
  return { after: (delayMs, fire): Timer => timers.after(delayMs / haste, fire) };
}
