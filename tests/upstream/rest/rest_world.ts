/**
 * The client of REST tools against a server by hand.
 *
 * @module
 */
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import { createByteBudget } from "../../../src/platform/byte_budget.ts";
import type { Resolve } from "../../../src/platform/dial.ts";
import { createHttpClient } from "../../../src/platform/http1/client.ts";
import { createEgressPolicy, type EgressOptions } from "../../../src/policy/egress.ts";
import { createArgumentCheck } from "../../../src/policy/guardrails/argument_schema.ts";
import { createPatterns } from "../../../src/policy/guardrails/pattern.ts";
import { createRestClient, type RestCall } from "../../../src/upstream/rest/rest_client.ts";
import type { ToolResult } from "../../../src/upstream/rest/tool_result.ts";
import { fakeClock, type FakeTimers, fakeTimers } from "../../support/fake_clock.ts";
import { json, openRecorder, type Recorded, type RecordingServer } from "../client_world.ts";

export interface RestWorld extends AsyncDisposable {
  readonly server: RecordingServer;
  readonly timers: FakeTimers;
  /** Scheme, host and port of the server. */
  readonly origin: string;
  /** Calls a tool of which only that matters; its URL begins at the server's. */
  readonly call: (
    tool: Partial<RestTool>,
    args?: Readonly<Record<string, unknown>>,
    call?: Partial<RestCall>,
  ) => Promise<ToolResult>;
}

export interface RestWorldOptions {
  readonly egress?: Partial<EgressOptions>;
  readonly resolve?: Resolve;
  readonly replyBytesMax?: number;
}

export function openRestWorld(
  answer: (request: Recorded, nth: number) => string | Promise<string> = () => json(200, {}),
  options: RestWorldOptions = {},
): RestWorld {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const http = createHttpClient(clock, options.resolve);
  const egress = createEgressPolicy({ allowPrivate: [], own: [], ...options.egress });
  const check = createArgumentCheck({
    unusable: () => {},
    subject: "The reply does not fit the output schema of the tool: its values",
  });
  const client = createRestClient({
    http,
    clock,
    timers,
    budget: createByteBudget(1e8),
    patterns: createPatterns(),
    checkOutput: check.check,
  }, {
    connectMs: 1_000,
    timeoutMs: 30_000,
    totalMs: 60_000,
    replyBytesMax: options.replyBytesMax ?? 1e6,
    userAgent: "sallyport/test",
    checkAddress: egress.checkAddress,
  });
  const server = openRecorder(answer);
  const origin = `http://127.0.0.1:${server.port}`;
  return {
    server,
    timers,
    origin,
    call(tool, args = {}, call = {}) {
      const { url: path = "/" } = tool;
      const url = path.startsWith("/") ? `${origin}${path}` : path;
      return client.call(aTool({ anyAddress: true, ...tool, url }), args, {
        isModern: true,
        abort: new AbortController(),
        ...call,
      });
    },
    async [Symbol.asyncDispose]() {
      http.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The properties of its schema are whatever its URL and parameters name. */
export function aTool(more: Partial<RestTool> = {}): RestTool {
  const { url = "http://api.example.com/", parameters = [] } = more;
  const names = [
    ...[...url.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name!).filter((name) =>
      !parameters.some((one) => one.as === name)
    ),
    ...parameters.map(({ name }) => name),
  ];
  const properties = Object.fromEntries(names.map((name) => [name, {}]));
  return {
    name: "a_tool",
    method: "GET",
    url,
    inputSchema: { type: "object", properties },
    ...more,
  };
}
