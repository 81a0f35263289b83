/**
 * Opens TCP and TLS connections to an address that was checked.
 *
 * The name is resolved once and the connection goes to the resolved address, so that a name
 * server cannot answer the check and the connection differently (DNS rebinding). The certificate
 * is still verified against the name.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { GatewayError } from "../domain/errors.ts";

export interface DialTarget {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
}

export interface DialOptions {
  /** Covers resolution, all addresses tried, and the TLS handshake. */
  readonly timeoutMs: number;
  /** Refuses an address by throwing; called for every address before any packet goes out. */
  readonly checkAddress: (address: string) => void;
  /** Gives all addresses of a name; the system's own way when absent. */
  readonly resolve?: Resolve | undefined;
}

export type Resolve = (name: string) => Promise<readonly string[]>;

/** @param url of scheme `http` or `https` */
export function targetOf(url: URL): DialTarget {
  const secure = url.protocol === "https:";
  return { secure, hostname: url.hostname, port: Number(url.port) || (secure ? 443 : 80) };
}

/** There is no connection: whatever was to be sent on it was not sent. */
export class DialError extends GatewayError {}

/**
 * @throws {DialError} `upstream_timeout` after `timeoutMs`; `upstream_unavailable` when the name
 *   does not resolve, nothing listens, or the handshake fails
 * @throws what `checkAddress` throws
 */
export async function dial(target: DialTarget, options: DialOptions): Promise<Deno.Conn> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timedOut = false;
  const opened: { current?: Deno.Conn } = {};
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      timedOut = true;
      opened.current?.close();
      reject(
        new DialError("upstream_timeout", "The upstream server could not be reached in time"),
      );
    }, options.timeoutMs);
  });
  try {
    return await Promise.race([connect(target, options, opened, () => timedOut), timeout]);
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new DialError("upstream_unavailable", "The upstream server could not be reached", {
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** All addresses of a name, in the system's order. @throws {Error} when it has none */
export async function resolveName(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

async function connect(
  target: DialTarget,
  options: DialOptions,
  opened: { current?: Deno.Conn },
  abandoned: () => boolean,
): Promise<Deno.Conn> {
  const host = target.hostname.replace(/^\[|\]$/g, "");
  const addresses = await (options.resolve ?? resolveName)(host);
  // One that is refused refuses the name: whoever mixes addresses means to have another one tried.
  for (const address of addresses) options.checkAddress(address);
  let failure: unknown;
  for (const address of addresses) {
    if (abandoned()) break;
    try {
      const tcp = await Deno.connect({ hostname: address, port: target.port });
      opened.current = tcp;
      if (abandoned()) tcp.close();
      tcp.setNoDelay(true);
      tcp.setKeepAlive(true);
      if (!target.secure) return tcp;
      const tls = await Deno.startTls(tcp, { hostname: host, alpnProtocols: ["http/1.1"] });
      opened.current = tls;
      await tls.handshake();
      return tls;
    } catch (error) {
      failure = error;
    }
  }
  throw failure ?? new Error("The name has no address");
}
