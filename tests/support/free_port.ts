/**
 * Addresses of which a test knows how they behave.
 *
 * @module
 */

import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";

/** Below those that the system gives to whoever connects or asks for any. */
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;

/** Given ports are noted here, for other tests that run at the same time. */
const GIVEN_DIR = `${tmpdir()}/sallyport-ports`;
/** Longer than all tests take. */
const GIVEN_MS = 20 * 60_000;

/** A port on loopback on which nothing listens, and that nobody else is given meanwhile. */
export function freePort(): number {
  Deno.mkdirSync(GIVEN_DIR, { recursive: true });
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (!isFirst(`${GIVEN_DIR}/${port}`)) continue;
    try {
      using _ = Deno.listen({ hostname: "127.0.0.1", port });
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function isFirst(note: string): boolean {
  try {
    Deno.openSync(note, { write: true, createNew: true }).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    const givenMs = Deno.statSync(note).mtime?.getTime() ?? 0;
    if (Date.now() - givenMs < GIVEN_MS) return false;
    Deno.utimeSync(note, new Date(), new Date());
    return true;
  }
}

export interface BlackHole extends AsyncDisposable {
  readonly port: number;
}

/**
 * A port that lets a connection attempt hang: its queue of connections is full and never emptied.
 *
 * @throws when the system accepts connections all the same
 */
export async function openBlackHole(): Promise<BlackHole> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  const fillers: Socket[] = [];
  let isFull = false;
  while (!isFull && fillers.length < 64) {
    const filler = connect({ host: "127.0.0.1", port });
    filler.on("error", () => {});
    fillers.push(filler);
    isFull = !(await connectsWithin(filler, 300));
  }
  const close = () => {
    for (const filler of fillers) filler.destroy();
    listener.close();
    return Promise.resolve();
  };
  if (!isFull) {
    await close();
    throw new Error("Cannot open a black hole: the system takes every connection");
  }
  return { port, [Symbol.asyncDispose]: close };
}

export interface SilentPort extends Disposable {
  readonly port: number;
  /** How many connections were made to it. */
  readonly connections: () => number;
}

/** A port that takes connections, counts them and never says anything. */
export async function openSilentPort(): Promise<SilentPort> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Not a TCP address");
  return {
    port: address.port,
    connections: () => sockets.length,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function connectsWithin(socket: Socket, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
