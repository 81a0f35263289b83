/**
 * What becomes of a record of which the bundle does not hold all secrets: what is known here stays
 * where it is meant for the same address, and the rest has to be filled in by somebody.
 *
 * @module
 */
import { MASK, maskedAuth } from "../../catalog/secrets.ts";
import type { Access as Place } from "../../catalog/upstream_settings.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import type { Access } from "./sealing.ts";

/** What a bundle may say of it. */
export interface GivenAccess {
  readonly url?: string | undefined;
  readonly headers?: Access["headers"] | null | undefined;
  readonly auth?: UpstreamAuth | null | undefined;
}

export interface Filled {
  /** Masks stand in it only for what is known. */
  readonly access: { readonly headers?: Access["headers"]; readonly auth?: UpstreamAuth };
  /** Members that somebody has to give, as `auth.token`. */
  readonly missing: readonly string[];
  /** Whether nothing may be sent there before that. */
  readonly isUnusable: boolean;
}

/** The secrets of the bundle in the place of masks. */
export function withSecretsOf<G extends GivenAccess>(given: G, secrets: Access | undefined): G {
  if (secrets === undefined) return given;
  const { headers, auth } = given;
  const kept = Object.entries(headers ?? {}).map(([name, value]) => [
    name,
    value === MASK && Object.hasOwn(secrets.headers, name) ? secrets.headers[name]! : value,
  ]);
  return {
    ...given,
    ...headers == null ? {} : { headers: Object.fromEntries(kept) },
    ...auth != null && isMasked(auth) && isSame(auth, maskedAuth(secrets.auth))
      ? { auth: secrets.auth }
      : {},
  };
}

/** @param known what is there; `undefined` for a new record */
export function filled(given: GivenAccess, known: Place | undefined): Filled {
  const isMoved = known !== undefined && given.url !== undefined &&
    originOf(given.url) !== originOf(known.url);
  const isHere = known !== undefined && !isMoved;
  const missing: string[] = [];
  // What was known is not for another address.
  const headers = given.headers ?? (isMoved ? {} : undefined);
  const auth = given.auth ?? (isMoved ? NONE : undefined);
  if (isMoved) {
    for (const name of Object.keys(known.headers)) {
      if (headers?.[name] === undefined) missing.push(`headers.${name}`);
    }
    if (given.auth == null && known.auth.type !== "none") missing.push(secretOf(known.auth));
  }
  const kept = Object.entries(headers ?? {}).filter(([name, value]) => {
    const isKnown = value !== MASK || (isHere && Object.hasOwn(known.headers, name));
    if (!isKnown) missing.push(`headers.${name}`);
    return isKnown;
  });
  const isKnown = auth === undefined || !isMasked(auth) ||
    (isHere && isSame(placeOf(auth), placeOf(known.auth)));
  if (!isKnown) missing.push(secretOf(auth));
  // Where it was used until now, it is as before.
  const next = isKnown ? auth : isHere ? undefined : NONE;
  return {
    access: {
      ...headers === undefined ? {} : { headers: Object.fromEntries(kept) },
      ...next === undefined ? {} : { auth: next },
    },
    missing,
    isUnusable: missing.length > 0 && !isHere,
  };
}

const NONE: UpstreamAuth = { type: "none" };

/** A template in the URL of a tool is in its path. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

function isMasked(auth: UpstreamAuth): boolean {
  return auth.type !== "none" && isSame(auth, maskedAuth(auth));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** For whom the secret is. */
function placeOf(auth: UpstreamAuth): readonly unknown[] {
  return auth.type === "oauth_client_credentials"
    ? [auth.type, originOf(auth.tokenUrl)]
    : [auth.type];
}

const SECRETS = {
  none: "",
  bearer: "auth.token",
  basic: "auth.password",
  header: "auth.value",
  oauth_client_credentials: "auth.clientSecret",
} as const satisfies Record<UpstreamAuth["type"], string>;

function secretOf({ type }: UpstreamAuth): string {
  return SECRETS[type];
}
