/**
 * F64: a client whose machine is gone without a word. Its stream is found out by a keep-alive comment
 * that nobody acknowledges, as soon as the system gives the connection up.
 *
 * @module
 * @see security.md, F64; docs/deployment.md, "Clients that vanish"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { openSockets } from "../support/file_descriptors.ts";
import { figure, timed } from "../support/figures.ts";
import { IS_LONG } from "../support/long.ts";
import { HAS_NETWORKS, openNetwork } from "../support/netns.ts";
import { statusOf } from "../support/open_reply.ts";
import { startProgram } from "../support/program.ts";
import { openSession } from "../support/session_client.ts";
import { tempDir } from "../support/temp_dir.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const STREAMS = 20;
/** 25 s after the first that is not acknowledged; the system's own 15 are a quarter of an hour. */
const RETRIES = 6;

Deno.test({
  name: `F64: streams of clients that have vanished are let go${
    !IS_LONG ? " (FAULTS=long)" : HAS_NETWORKS ? "" : " (no network namespaces)"
  }`,
  ignore: !IS_LONG || !HAS_NETWORKS,
  async fn() {
    await using network = await openNetwork(RETRIES);
    await using dir = await tempDir();
    await using gateway = startProgram(
      ["--host", network.address, "--port", "0", "--data", dir.path],
      { env: { JWT_SECRET_KEY: TEST_JWT_SECRET }, before: network.enter },
    );
    const origin = await gateway.listening();
    const token = await mintToken();
    const sessions = await Promise.all(
      Array.from({ length: STREAMS }, () => openSession(origin, { path: "/mcp", token })),
    );
    const base = await openSockets(gateway.pid);
    const streams = await Promise.all(sessions.map((session) => session.listen()));
    for (const stream of streams) assertEquals(await statusOf(stream), 200);
    const held = await openSockets(gateway.pid) - base;
    await network.cut();
    const isFree = async () => await openSockets(gateway.pid) <= base;
    const ms = await timed(() => until("the end of the streams", isFree, 120_000));
    for (const stream of streams) stream.close();
    figure("F64", `${held} vanished clients are let go after`, ms, "at most 60000", " ms");
    assertEquals(held >= STREAMS, true);
  },
});
