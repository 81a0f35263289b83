/**
 * A network that can be broken: a TCP proxy in front of any port, whose faults are switched while
 * it runs. They hold for connections that are open and for those that are made later.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface Faults {
  /** Everything arrives so much later, in either direction. */
  readonly latencyMs: number;
  /** In either direction, of each connection. */
  readonly bytesPerSecond: number;
  /** Nothing gets through, neither bytes nor ends, until it is over: then all of it does. */
  readonly isHole: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: () => number;
  /** What is not named is healthy again. */
  readonly set: (faults: Partial<Faults>) => void;
  /** New connections go to another port. */
  readonly lead: (port: number) => void;
  /** Resets all connections that are open. */
  readonly reset: () => void;
  /** Ends them on the far side only: whoever has connected hears nothing any more, and no end. */
  readonly forget: () => void;
  /** Resets what is open and refuses connections, until `up`. */
  readonly down: () => Promise<void>;
  readonly up: () => Promise<void>;
}

const HEALTHY: Faults = { latencyMs: 0, bytesPerSecond: Infinity, isHole: false };
/** On its way in one direction, before the sender has to wait. */
const BYTES_MAX = 1024 * 1024;
const SLICES_PER_SECOND = 20;

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  isForgotten: boolean;
}

/** @param port where everything goes, on this machine unless a host is given */
export async function openFaultProxy(port: number, host = "127.0.0.1"): Promise<FaultProxy> {
  const links = new Set<Link>();
  let farPort = port;
  let faults = HEALTHY;
  let healed = Promise.withResolvers<void>();
  let server: Server | undefined = await listen(0, enter);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Not a TCP address");

  function enter(near: Socket): void {
    const far = connect({ host, port: farPort, allowHalfOpen: true, noDelay: true });
    const link: Link = { near, far, isForgotten: false };
    links.add(link);
    near.setNoDelay(true);
    for (const socket of [near, far]) socket.on("error", () => {});
    Promise.all([pass(link, near, far), pass(link, far, near)]).then(() => {
      if (!link.isForgotten) links.delete(link);
    });
    near.once("close", () => links.delete(link));
  }

  /** Takes what comes, and hands it on when its time has come. */
  async function pass(link: Link, from: Socket, to: Socket): Promise<void> {
    let waiting = 0;
    let last = Promise.resolve();
    try {
      // Whoever has said all that he has to say may still listen.
      for await (const bytes of from.iterator({ destroyOnReturn: false })) {
        const dueMs = performance.now() + faults.latencyMs;
        waiting += bytes.length;
        last = last.then(() => handOn(link, to, bytes, dueMs))
          .then(() => void (waiting -= bytes.length));
        last.catch(() => {});
        if (waiting > BYTES_MAX) await last;
      }
      await last;
      await unblocked();
      if (!link.isForgotten) to.end();
    } catch {
      await unblocked();
      if (!link.isForgotten) to.resetAndDestroy();
    }
  }

  async function handOn(link: Link, to: Socket, bytes: Uint8Array, dueMs: number): Promise<void> {
    await pause(dueMs - performance.now());
    for (let rest = bytes; rest.length > 0;) {
      await unblocked();
      if (link.isForgotten) return;
      const { bytesPerSecond } = faults;
      const count = Math.max(1, Math.floor(bytesPerSecond / SLICES_PER_SECOND));
      const slice = rest.subarray(0, count);
      rest = rest.subarray(slice.length);
      await pause(1000 * slice.length / bytesPerSecond);
      await written(to, slice);
    }
  }

  async function unblocked(): Promise<void> {
    while (faults.isHole) await healed.promise;
  }

  function reset(): void {
    for (const { near, far } of links) for (const one of [near, far]) one.resetAndDestroy();
    links.clear();
  }

  function set(next: Partial<Faults>): void {
    faults = { ...HEALTHY, ...next };
    healed.resolve();
    healed = Promise.withResolvers();
  }

  async function down(): Promise<void> {
    const closed = server && closing(server);
    server = undefined;
    reset();
    await closed;
  }

  return {
    port: address.port,
    connections: () => links.size,
    set,
    lead: (port) => void (farPort = port),
    reset,
    forget() {
      for (const link of links) {
        link.isForgotten = true;
        link.far.destroy();
      }
    },
    down,
    async up() {
      server ??= await listen(address.port, enter);
    },
    async [Symbol.asyncDispose]() {
      set({});
      await down();
    },
  };
}

function listen(port: number, enter: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, enter);
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", () => resolve(server));
  });
}

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function written(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => error ? reject(error) : resolve());
  });
}

function pause(ms: number): Promise<void> | void {
  if (ms > 0) return new Promise((resolve) => setTimeout(resolve, ms));
}
