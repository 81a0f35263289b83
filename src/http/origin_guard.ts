/**
 * Which Host and Origin values are ours: exact lists, on by default, against DNS rebinding and
 * calls from foreign pages.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "Security Warning"
 */
import { GatewayError } from "../domain/errors.ts";
import type { RequestHead } from "./request_head.ts";

export interface OriginGuardOptions {
  readonly listener: { readonly hostname: string; readonly port: number; readonly secure: boolean };
  readonly publicUrl: string | undefined;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

export interface OriginGuard {
  /** @throws {GatewayError} `forbidden` for a Host that is not listed */
  readonly checkHost: (head: RequestHead) => void;
  /** @throws {GatewayError} `forbidden` for an Origin that is not listed; having none is fine */
  readonly checkOrigin: (head: RequestHead) => void;
  /** The origin under which the client reached us; the host has passed `checkHost`. */
  readonly baseUrl: (head: RequestHead) => string;
}

const LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"];

export function createOriginGuard(options: OriginGuardOptions): OriginGuard {
  const { listener, publicUrl } = options;
  const scheme = listener.secure ? "https" : "http";
  const isLoopback = LOOPBACK_NAMES.includes(bracketed(listener.hostname));
  const names = isLoopback || isAnyAddress(listener.hostname)
    ? [...LOOPBACK_NAMES, bracketed(listener.hostname)]
    : [bracketed(listener.hostname)];
  const hosts = new Set(options.allowedHosts);
  for (const name of names) hosts.add(hostOf(`${scheme}://${name}:${listener.port}`));
  const origins = new Set(options.allowedOrigins);
  for (const host of hosts) origins.add(`${scheme}://${host}`);
  const publicHost = publicUrl === undefined ? undefined : hostOf(publicUrl);
  if (publicUrl !== undefined) {
    hosts.add(hostOf(publicUrl));
    origins.add(publicUrl);
  }

  return {
    checkHost(head) {
      if (!hosts.has(head.host)) {
        throw new GatewayError("forbidden", "The Host header does not name this server");
      }
    },
    checkOrigin(head) {
      const origin = head.headers.get("origin");
      if (origin === undefined || origins.has(origin)) return;
      if (isLoopback && isLoopbackOrigin(origin)) return;
      throw new GatewayError("forbidden", "The Origin is not allowed");
    },
    baseUrl: (head) =>
      publicUrl !== undefined && head.host === publicHost ? publicUrl : `${scheme}://${head.host}`,
  };
}

function isLoopbackOrigin(origin: string): boolean {
  return /^https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/.test(origin);
}

function isAnyAddress(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname.toLowerCase();
}

/** The Host value for a URL: without the port where it is the scheme's own. */
function hostOf(url: string): string {
  return new URL(url).host;
}
