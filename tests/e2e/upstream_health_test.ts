/**
 * A gateway whose upstream server is away: calls fail at once and say so, nothing else is slowed,
 * and when the server is back that is found out without anybody's help.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, match } from "node:assert/strict";
import { configFor, EVERYTHING_PATH, startEverything } from "../support/everything.ts";
import { freePort, openSilentPort } from "../support/free_port.ts";
import { callModern, type ModernCall } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { openRawServer } from "../support/raw_server.ts";
import { until } from "../support/until.ts";

const UNAVAILABLE =
  /^The upstream server "everything" is unavailable since \d{4}-\d\d-\d\dT[\d:]{8}Z; next attempt in \d+ s$/;

/** Found out soon, so that no test waits for long. */
const QUICK = {
  MCP_REQUIRE_AUTH: "false",
  CONNECT_TIMEOUT: "500ms",
  FIRST_BYTE_TIMEOUT: "500ms",
  TOOL_TIMEOUT: "1s",
  HEALTH_CHECK_INTERVAL: "1s",
};

const CALL: ModernCall = {
  path: EVERYTHING_PATH,
  params: { name: "test_simple_text", arguments: {} },
};

Deno.test("calls to a server that never answers soon fail without being sent", async () => {
  using hanging = await openSilentPort();
  await using gateway = await gatewayTo(hanging.port);
  await until("the refusal", async () => UNAVAILABLE.test(await told(gateway)), 20_000);
  const before = hanging.connections();
  await Promise.all(Array.from({ length: 100 }, () => told(gateway)));
  // Checks of the gateway's own go on: one at a time, less and less often.
  assertEquals(hanging.connections() - before < 10, true);
});

Deno.test("callers never wait for the gateway's own attempts", async () => {
  using hanging = await openSilentPort();
  await using gateway = await gatewayTo(hanging.port, { FIRST_BYTE_TIMEOUT: "1500ms" });
  await until("the refusal", async () => UNAVAILABLE.test(await told(gateway)), 20_000);
  const before = hanging.connections();
  const sentences = new Set<string>();
  await until("three attempts", async () => {
    sentences.add((await told(gateway)).replace(/since.*/, "since"));
    return hanging.connections() - before >= 3;
  }, 30_000);
  assertEquals([...sentences], ['The upstream server "everything" is unavailable since']);
});

Deno.test("the failure is one sentence without an address", async () => {
  const port = freePort();
  await using gateway = await gatewayTo(port);
  const sentence = await until("the refusal", async () => {
    const text = await told(gateway);
    return text.includes("unavailable since") && text;
  }, 20_000);
  match(sentence, UNAVAILABLE);
});

Deno.test("a server that is back is found out without any call", async () => {
  const port = freePort();
  await using gateway = await gatewayTo(port, { LOG_LEVEL: "debug" });
  await until("the refusal", async () => UNAVAILABLE.test(await told(gateway)), 20_000);
  await using _upstream = await startEverything({ port });
  const isTold = () => /(?<!un)healthy/.test(gateway.stdout() + gateway.stderr());
  await until("the log line", isTold, 20_000);
  await until("an answer", async () => (await told(gateway)).startsWith("This is"), 20_000);
});

Deno.test("without health checks it is found out by a call", async () => {
  const port = freePort();
  await using gateway = await gatewayTo(port, { HEALTH_CHECK_INTERVAL: "0" });
  await until("the refusal", async () => UNAVAILABLE.test(await told(gateway)), 20_000);
  await using _upstream = await startEverything({ port });
  await until("an answer", async () => (await told(gateway)).startsWith("This is"), 20_000);
});

Deno.test("a server that asks for a pause gets nothing more", async () => {
  let requests = 0;
  await using upstream = openRawServer(async (peer) => {
    while (await peer.request() !== undefined) {
      requests++;
      await peer.write("HTTP/1.1 503 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n");
    }
  });
  await using gateway = await gatewayTo(upstream.port);
  const isPaused = async () => / has asked for a pause; /.test(await told(gateway));
  await until("the pause", isPaused, 20_000);
  const before = requests;
  for (let i = 0; i < 10; i++) await told(gateway);
  assertEquals(requests, before);
});

function gatewayTo(port: number, env: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  return startGateway({
    config: configFor({ everything: `http://127.0.0.1:${port}` }),
    env: { ...QUICK, ...env },
  });
}

/** The text of the answer, whether the call succeeded or not. */
async function told(gateway: Gateway): Promise<string> {
  const { response } = await callModern(gateway.origin, CALL);
  const { result, error } = JSON.parse(JSON.stringify(response));
  return result?.content?.[0]?.text ?? error?.message ?? "";
}
