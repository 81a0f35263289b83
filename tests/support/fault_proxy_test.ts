/**
 * The fault proxy breaks connections as it says, and only then.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { type FaultProxy, openFaultProxy } from "./fault_proxy.ts";
import { until } from "./until.ts";

interface World extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** Connections that the server has. */
  readonly served: () => number;
}

/** A proxy in front of a server that says everything back. */
async function openWorld(): Promise<World> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const running = new Set<Promise<void>>();
  const echo = async (connection: Deno.Conn) => {
    await connection.readable.pipeTo(connection.writable).catch(() => {});
  };
  const accepting = (async () => {
    for await (const connection of listener) {
      const one = echo(connection).finally(() => running.delete(one));
      running.add(one);
    }
  })();
  const proxy = await openFaultProxy(listener.addr.port);
  return {
    proxy,
    served: () => running.size,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      listener.close();
      await Promise.all([accepting, ...running]);
    },
  };
}

interface Client extends Disposable {
  readonly say: (text: string) => Promise<unknown>;
  /** Says no more, and listens. */
  readonly end: () => Promise<void>;
  readonly heard: () => string;
  readonly ended: () => "ended" | "reset" | undefined;
}

async function connectTo({ port }: FaultProxy): Promise<Client> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  let heard = "";
  let end: "ended" | "reset" | undefined;
  (async () => {
    const buffer = new Uint8Array(64 * 1024);
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      heard += new TextDecoder().decode(buffer.subarray(0, n));
    }
  })().then(() => end = "ended", () => end = "reset");
  return {
    say: (text) => connection.write(new TextEncoder().encode(text)),
    end: () => connection.closeWrite(),
    heard: () => heard,
    ended: () => end,
    [Symbol.dispose]: () => connection.close(),
  };
}

const heardBy = (client: Client, text: string) => until(text, () => client.heard() === text);

Deno.test("a healthy proxy passes everything on, the end too", async () => {
  await using world = await openWorld();
  using client = await connectTo(world.proxy);
  await client.say("hello");
  await client.end();
  assertEquals(await until("the end", () => client.ended()), "ended");
  assertEquals(client.heard(), "hello");
  await until("the end to arrive", () => world.served() === 0 && world.proxy.connections() === 0);
});

Deno.test("latency is not less than was asked for, in both directions, and keeps the order", async () => {
  await using world = await openWorld();
  using client = await connectTo(world.proxy);
  world.proxy.set({ latencyMs: 100 });
  const start = performance.now();
  for (const text of ["one ", "two ", "three"]) await client.say(text);
  await heardBy(client, "one two three");
  assert(performance.now() - start >= 200);
});

Deno.test("a number of bytes per second is not exceeded", async () => {
  await using world = await openWorld();
  using client = await connectTo(world.proxy);
  world.proxy.set({ bytesPerSecond: 100 });
  const start = performance.now();
  await client.say("0123456789".repeat(3));
  await heardBy(client, "0123456789".repeat(3));
  assert(performance.now() - start >= 300);
});

Deno.test("what goes into a hole comes out when it is over", async () => {
  await using world = await openWorld();
  using before = await connectTo(world.proxy);
  world.proxy.set({ isHole: true });
  using during = await connectTo(world.proxy);
  await Promise.all([before.say("before"), during.say("during")]);
  world.proxy.set({});
  assertEquals([before.heard(), during.heard()], ["", ""]);
  await Promise.all([heardBy(before, "before"), heardBy(during, "during")]);
});

Deno.test("a reset is one", async () => {
  await using world = await openWorld();
  using client = await connectTo(world.proxy);
  await client.say("hello");
  await heardBy(client, "hello");
  world.proxy.reset();
  assertEquals(await until("the end", () => client.ended()), "reset");
  await until("the end at the server", () => world.served() === 0);
});

Deno.test("a connection that is forgotten hears no end, and a new one works", async () => {
  await using world = await openWorld();
  using client = await connectTo(world.proxy);
  await client.say("hello");
  await heardBy(client, "hello");
  world.proxy.forget();
  await until("the end at the server", () => world.served() === 0);
  await client.say("again");
  using other = await connectTo(world.proxy);
  await other.say("other");
  await heardBy(other, "other");
  assertEquals([client.heard(), client.ended()], ["hello", undefined]);
});

Deno.test("down, connections are reset and refused; up, they are made on the same port", async () => {
  await using world = await openWorld();
  using client = await connectTo(world.proxy);
  await world.proxy.down();
  assertEquals(await until("the end", () => client.ended()), "reset");
  const refused = await connectTo(world.proxy).catch((error) => error);
  assert(refused instanceof Deno.errors.ConnectionRefused);
  await world.proxy.up();
  using later = await connectTo(world.proxy);
  await later.say("hello");
  await heardBy(later, "hello");
});
