/**
 * A round-robin HTTP balancer: bytes as they are, connections kept alive on both sides.
 *
 * It asks each origin for `/ready` every second, and leaves out one that does not say 200. A request
 * is sent to one origin, once: only when no connection can be made there, so that nothing was sent,
 * the next one is tried. An origin that breaks off is a 502 before the first byte of the answer, and
 * a broken connection after that. A client that leaves ends its request at the origin too.
 *
 * @module
 */
import {
  bodyOfReply,
  bodyOfRequest,
  type Head,
  headBytes,
  passBody,
  readHead,
  statusOf,
  verbOf,
} from "./http_framing.ts";
import { createWire, type Wire } from "./wire.ts";

export interface Balancer extends AsyncDisposable {
  readonly origin: string;
  /** Origins that are given requests. */
  readonly inUse: () => readonly string[];
  /** Requests that each origin was given, in the order of the origins. */
  readonly counts: () => readonly number[];
}

interface Origin {
  readonly url: URL;
  readonly idle: Set<Wire>;
  isReady: boolean;
  count: number;
}

const LOOK_MS = 1_000;

/**
 * Looks at all origins once before it takes requests.
 *
 * @param port to listen on; a free one unless given
 */
export async function openBalancer(urls: readonly string[], port = 0): Promise<Balancer> {
  const origins = urls.map((url): Origin => ({
    url: new URL(url),
    idle: new Set(),
    isReady: false,
    count: 0,
  }));
  const open = new Set<Wire>();
  let turn = 0;

  function opened(connection: Deno.TcpConn): Wire {
    const wire = createWire(connection);
    open.add(wire);
    return wire;
  }

  function closed(wire: Wire): void {
    open.delete(wire);
    wire.close();
  }

  async function serve(client: Wire): Promise<void> {
    try {
      for (;;) {
        const head = await readHead(client);
        if (head === undefined || !await relay(client, head)) break;
      }
    } finally {
      closed(client);
    }
  }

  /** @returns whether the client's connection can be used again */
  async function relay(client: Wire, head: Head): Promise<boolean> {
    const found = await nextOrigin();
    if (found === undefined) return await refuse(client, "503 Service Unavailable");
    const { origin, wire } = found;
    let isKept = false;
    let isOver = false;
    try {
      let isSent = false;
      // In one piece as far as it is there: what a server makes of a request can depend on it.
      const sending = passBody(client, wire, bodyOfRequest(head), headBytes(head)).then(
        (isWhole) => {
          isSent = isWhole;
        },
      );
      // Whatever else comes from it is the next request.
      sending.then(() => client.held().length > 0 || client.more())
        // Once this is over, the connection may serve somebody else.
        .then((isThere) => isThere || isOver || wire.close(), () => {});
      const reply = await readReply(wire, client);
      if (reply === undefined) return await refuse(client, "502 Bad Gateway");
      await client.write(headBytes(reply, ...head.isLast ? ["Connection: close"] : []));
      const isWhole = await passBody(wire, client, bodyOfReply(reply, verbOf(head)));
      isKept = isWhole && isSent && !reply.isLast;
      return isWhole && isSent && !head.isLast;
    } catch {
      return false;
    } finally {
      isOver = true;
      if (isKept) rest(origin, wire);
      else closed(wire);
    }
  }

  async function nextOrigin(): Promise<{ origin: Origin; wire: Wire } | undefined> {
    for (;;) {
      const ready = origins.filter(({ isReady }) => isReady);
      if (ready.length === 0) return undefined;
      const origin = ready[turn++ % ready.length]!;
      const [idle] = origin.idle;
      if (idle !== undefined) origin.idle.delete(idle);
      const wire = idle ?? await connected(origin);
      if (wire === undefined) continue;
      origin.count++;
      return { origin, wire };
    }
  }

  async function connected(origin: Origin): Promise<Wire | undefined> {
    const { hostname, port } = origin.url;
    try {
      return opened(await Deno.connect({ hostname, port: Number(port) }));
    } catch {
      origin.isReady = false;
    }
  }

  /** Until somebody needs it, or until the origin ends it. */
  function rest({ idle }: Origin, wire: Wire): void {
    idle.add(wire);
    wire.more().then(() => idle.delete(wire) && closed(wire));
  }

  async function look(origin: Origin): Promise<void> {
    const signal = AbortSignal.timeout(LOOK_MS);
    try {
      const reply = await fetch(new URL("/ready", origin.url), { signal });
      await reply.body?.cancel();
      origin.isReady = reply.status === 200;
    } catch {
      origin.isReady = false;
    }
  }

  const lookAtAll = () => Promise.all(origins.map(look));
  await lookAtAll();
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const accepting = (async () => {
    for await (const connection of listener) serve(opened(connection));
  })();
  let looking: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => looking = lookAtAll(), LOOK_MS);
  return {
    origin: `http://127.0.0.1:${listener.addr.port}`,
    inUse: () => origins.filter(({ isReady }) => isReady).map(({ url }) => url.origin),
    counts: () => origins.map(({ count }) => count),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      listener.close();
      await Promise.all([accepting, looking]);
      for (const wire of open) wire.close();
    },
  };
}

/** The head of the final answer; what comes before it is passed on. */
async function readReply(wire: Wire, client: Wire): Promise<Head | undefined> {
  for (;;) {
    const head = await readHead(wire);
    if (head === undefined || statusOf(head) >= 200) return head;
    await client.write(headBytes(head));
  }
}

async function refuse(client: Wire, status: string): Promise<false> {
  const text = `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  await client.write(new TextEncoder().encode(text)).catch(() => {});
  return false;
}
