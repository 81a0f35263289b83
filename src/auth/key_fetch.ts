/**
 * Fetches the keys of one external issuer: from the place that is configured, or from the one that
 * the issuer's own document names. Small answers, soon, and no redirects.
 *
 * @module
 * @see OpenID Connect Discovery 1.0, section 4; RFC 8414, section 3.3
 */
import { LIMITS } from "../domain/limits.ts";
import { type DialTarget, targetOf } from "../platform/dial.ts";
import type { HttpClient } from "../platform/http1/client.ts";
import type { Timers } from "../platform/timers.ts";
import type { OidcIssuer } from "./issuers.ts";
import { type PublicKeys, readKeys } from "./key_document.ts";

export interface KeyFetchDeps {
  readonly http: HttpClient;
  readonly timers: Timers;
  /** Refuses what an issuer's document must not lead to, by throwing. */
  readonly egress: {
    readonly checkUrl: (url: URL) => void;
    readonly checkAddress: (target: DialTarget, address: string) => void;
  };
}

export interface KeyFetchOptions {
  readonly connectMs: number;
  readonly userAgent: string;
}

/** @throws {Error} saying at which step it failed */
export async function fetchKeys(
  deps: KeyFetchDeps,
  options: KeyFetchOptions,
  issuer: OidcIssuer,
): Promise<PublicKeys> {
  const abort = new AbortController();
  const timer = deps.timers.after(LIMITS.keyReplyMs, () => abort.abort(new Error("Too late")));
  const get = (url: URL, isChosen: boolean) =>
    getJson(deps, options, { url, isChosen, signal: abort.signal });
  try {
    if (issuer.jwksUri !== undefined) return readKeys(await get(new URL(issuer.jwksUri), true));
    const place = keysPlace(await get(discoveryUrl(issuer), true), issuer);
    // Another host than the one that was configured is one that somebody else has chosen.
    const isChosen = place.host === new URL(issuer.issuer).host;
    if (!isChosen) deps.egress.checkUrl(place);
    return readKeys(await get(place, isChosen));
  } finally {
    timer.cancel();
  }
}

function discoveryUrl({ issuer }: OidcIssuer): URL {
  return new URL(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
}

/**
 * The place of keys that an issuer's own document names.
 * @throws {Error} when it is another's document, or names none that is as safe as the issuer itself
 */
export function keysPlace(document: unknown, { issuer }: Pick<OidcIssuer, "issuer">): URL {
  const { issuer: named, jwks_uri: place } = Object(document) as Readonly<Record<string, unknown>>;
  if (named !== issuer) throw new Error("The issuer's document is that of another issuer");
  const url = typeof place === "string" && URL.canParse(place) ? new URL(place) : undefined;
  const isSafe = url?.protocol === "https:" ||
    (url?.protocol === "http:" && issuer.startsWith("http:"));
  if (url === undefined || !isSafe || url.username !== "" || url.password !== "") {
    throw new Error("The issuer's document names no place of keys that can be used");
  }
  return url;
}

interface Wanted {
  readonly url: URL;
  /** Whether the operator has named this host: then it may be anywhere. */
  readonly isChosen: boolean;
  readonly signal: AbortSignal;
}

async function getJson(
  { http, egress }: KeyFetchDeps,
  options: KeyFetchOptions,
  { url, isChosen, signal }: Wanted,
): Promise<unknown> {
  const target = targetOf(url);
  const reply = await http.send({
    target,
    head: `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n` +
      `User-Agent: ${options.userAgent}\r\nAccept: application/json\r\n` +
      `Accept-Encoding: identity\r\n`,
    body: undefined,
    idempotent: true,
    connectMs: options.connectMs,
    checkAddress(address) {
      if (!isChosen) egress.checkAddress(target, address);
    },
    rule: isChosen ? "chosen" : "named",
    signal,
  });
  try {
    // A redirect is an answer like any other that is not 200.
    if (reply.status !== 200) throw new Error(`${url.host} answered HTTP ${reply.status}`);
    const bytes = await reply.whole(LIMITS.keyReplyBytes, () => {});
    return JSON.parse(new TextDecoder().decode(bytes));
  } finally {
    reply.release();
  }
}
