/**
 * Secrets of upstream servers as they leave and enter the API: shown as a mask, and kept where the
 * mask comes back.
 *
 * @module
 * @see security.md, SEC-04
 */
import { type Fault, FaultyRequest } from "../domain/errors.ts";
import type { UpstreamAuth } from "../domain/server.ts";

/** What a secret reads as. */
export const MASK = "*****";

type Headers = Readonly<Record<string, string>>;

export function maskedHeaders(headers: Headers): Headers {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, MASK]));
}

export function maskedAuth(auth: UpstreamAuth): UpstreamAuth {
  switch (auth.type) {
    case "none":
      return auth;
    case "bearer":
      return { ...auth, token: MASK };
    case "basic":
      return { ...auth, password: MASK };
    case "header":
      return { ...auth, value: MASK };
    case "oauth_client_credentials":
      return { ...auth, clientSecret: MASK };
  }
}

/**
 * The headers with what is known in the place of masks; names are compared without capitals.
 * @throws {FaultyRequest} for a mask where nothing is known
 */
export function unmaskedHeaders(headers: Headers, known: Headers): Headers {
  const values = new Map(
    Object.entries(known).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const faults: Fault[] = [];
  const kept = Object.entries(headers).map(([name, value]) => {
    const old = values.get(name.toLowerCase());
    if (value === MASK && old === undefined) faults.push(nothingKept(`headers.${name}`));
    return [name, value === MASK ? old ?? "" : value];
  });
  if (faults.length > 0) throw nothingToKeep(faults);
  return Object.fromEntries(kept);
}

/**
 * The same for `auth`, whose type must be the same for that.
 * @throws {FaultyRequest} for a mask where nothing is known
 */
export function unmaskedAuth(auth: UpstreamAuth, known: UpstreamAuth): UpstreamAuth {
  const kept = (member: string, value: string, old: string | undefined): string => {
    if (value !== MASK) return value;
    if (old === undefined) throw nothingToKeep([nothingKept(`auth.${member}`)]);
    return old;
  };
  switch (auth.type) {
    case "none":
      return auth;
    case "bearer":
      return { ...auth, token: kept("token", auth.token, sameType(auth, known)?.token) };
    case "basic": {
      const old = sameType(auth, known)?.password;
      return { ...auth, password: kept("password", auth.password, old) };
    }
    case "header":
      return { ...auth, value: kept("value", auth.value, sameType(auth, known)?.value) };
    case "oauth_client_credentials": {
      const old = sameType(auth, known)?.clientSecret;
      return { ...auth, clientSecret: kept("clientSecret", auth.clientSecret, old) };
    }
  }
}

function sameType<A extends UpstreamAuth>(auth: A, known: UpstreamAuth): A | undefined {
  return isSameType(auth, known) ? known : undefined;
}

function isSameType<A extends UpstreamAuth>(auth: A, known: UpstreamAuth): known is A {
  return known.type === auth.type;
}

function nothingKept(path: string): Fault {
  return { path, message: `there is no secret here that "${MASK}" could keep` };
}

function nothingToKeep(faults: readonly Fault[]): FaultyRequest {
  return new FaultyRequest("invalid_request", "Some secrets are missing", faults);
}
