/**
 * Aborting a request closes its socket, whatever it was waiting for, and touches no other.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import type { RawPeer } from "../../support/raw_server.ts";
import { openSilentPort } from "../../support/free_port.ts";
import { always, bodyOf, OK, openClientWorld } from "./client_world.ts";

const HEAD = "HTTP/1.1 200 OK\r\n";
const REASON = new Error("The client left");

for (
  const [when, answer] of [
    ["before the head", ""],
    ["within a body of known length", `${HEAD}Content-Length: 100\r\n\r\nhalf`],
    ["within chunks", `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`],
    ["within a body without a length", `${HEAD}\r\nhalf`],
    ["within a compressed body", `${HEAD}Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n`],
  ] as const
) {
  Deno.test(`aborting ${when} closes the socket`, async () => {
    const { left, serve, arrived } = waiting(answer);
    await using world = openClientWorld(serve);
    const abort = new AbortController();
    const outcome = world.ask({ signal: abort.signal }).catch(() => {});
    await arrived;
    abort.abort(REASON);
    await left;
    await outcome;
  });

  Deno.test(`aborting ${when} fails with the reason`, async () => {
    const { serve, arrived } = waiting(answer);
    await using world = openClientWorld(serve);
    const abort = new AbortController();
    const outcome = world.ask({ signal: abort.signal });
    arrived.then(() => abort.abort(REASON));
    await assertRejects(outcome, REASON);
  });
}

Deno.test("a request that is aborted before it is sent opens no connection", async () => {
  await using world = openClientWorld(always(OK));
  await assertRejects(() => world.ask({ signal: AbortSignal.abort(REASON) }), REASON);
  assertEquals(world.server.connections(), 0);
});

Deno.test("a request that is aborted before it is sent leaves the kept connection to others", async () => {
  await using world = openClientWorld(always(OK));
  await world.ask();
  await assertRejects(() => world.ask({ signal: AbortSignal.abort(REASON) }), REASON);
  assertEquals([await world.ask(), world.server.connections()], ["ok", 1]);
});

Deno.test("aborting after the reply was released leaves the connection to others", async () => {
  await using world = openClientWorld(always(OK));
  const abort = new AbortController();
  await world.ask({ signal: abort.signal });
  abort.abort(REASON);
  assertEquals([await world.ask(), world.server.connections()], ["ok", 1]);
});

Deno.test("aborting one request does not disturb another", async () => {
  const answer = Promise.withResolvers<void>();
  await using world = openClientWorld(async (peer) => {
    await peer.request();
    await answer.promise;
    await peer.write(OK);
  });
  const abort = new AbortController();
  const other = world.send();
  const outcome = world.ask({ signal: abort.signal }).catch(() => {});
  abort.abort(REASON);
  await outcome;
  answer.resolve();
  assertEquals(await bodyOf(await other), "ok");
});

Deno.test("an aborted connection is not counted as open", async () => {
  const { serve, arrived } = waiting("");
  await using world = openClientWorld(serve);
  const abort = new AbortController();
  const outcome = world.ask({ signal: abort.signal }).catch(() => {});
  await arrived;
  abort.abort(REASON);
  await outcome;
  assertEquals(world.client.size(), 0);
});

Deno.test("an address that is refused is not connected to", async () => {
  using port = await openSilentPort();
  await using world = openClientWorld(always(OK));
  const refusal = new Error("Not this address");
  const target = { secure: false, hostname: "localhost", port: port.port };
  const checkAddress = () => {
    throw refusal;
  };
  await assertRejects(() => world.ask({ target, checkAddress }));
  assertEquals(port.connections(), 0);
});

Deno.test("every address of a name is checked before any packet goes out", async () => {
  const checked: string[] = [];
  await using world = openClientWorld(always(OK));
  const target = { secure: false, hostname: "localhost", port: world.server.port };
  await world.ask({ target, checkAddress: (address) => void checked.push(address) });
  assertEquals(checked.includes("127.0.0.1"), true);
});

/** A server that answers this much and then waits for its client to leave. */
function waiting(answer: string) {
  const left = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const serve = async (peer: RawPeer) => {
    await peer.request();
    await peer.write(answer);
    arrived.resolve();
    await peer.left();
    left.resolve();
  };
  return { serve, left: left.promise, arrived: arrived.promise };
}
