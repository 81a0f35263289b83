/**
 * The settings of an upstream server as they are to be kept: what is given, over what is known.
 *
 * @module
 */
import { type Fault, FaultyRequest } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamAuth } from "../domain/server.ts";
import type { UpstreamSettings } from "../storage/catalog_tables.ts";
import { checkAudience, checkOwner } from "./editing.ts";
import { unmaskedAuth, unmaskedHeaders } from "./secrets.ts";

/** Secrets may be masks where something is known. */
export type NewUpstream = UpstreamSettings & { readonly name: string };
export type UpstreamChange = Partial<NewUpstream>;

/** Before the first change there is nothing that a mask could keep. */
export function blank(upstream: NewUpstream): NewUpstream {
  return { ...upstream, owner: undefined, headers: {}, auth: { type: "none" } };
}

/**
 * @param checkUrl throws `egress_denied`
 * @throws {FaultyRequest} when it does not fit together
 * @throws {GatewayError} `egress_denied`, `forbidden`
 */
export function checked(
  { checkUrl }: { readonly checkUrl: (url: URL) => void },
  change: UpstreamChange,
  known: NewUpstream,
  principal: Principal,
): NewUpstream {
  checkAudience(principal, { ...known, ...change });
  checkOwner(principal, known, { ...known, ...change });
  return { ...known, ...change, ...checkedAccess({ checkUrl }, change, known) };
}

/** Where something is, and what is presented there. */
export type Access = Pick<NewUpstream, "url" | "headers" | "auth">;

/**
 * The same for these alone, with what is kept in the place of masks.
 * @throws as `checked`
 */
export function checkedAccess(
  { checkUrl }: { readonly checkUrl: (url: URL) => void },
  change: Partial<Access>,
  known: Access,
): Access {
  const next = {
    url: change.url ?? known.url,
    headers: unmaskedHeaders(change.headers ?? known.headers, known.headers),
    auth: unmaskedAuth(change.auth ?? known.auth, known.auth),
  };
  refuseMovedSecrets(known, change, next);
  // Only what is given: a policy that has become stricter must not keep a server from being
  // switched off.
  if (change.url !== undefined) checkPlace("url", next.url, checkUrl);
  if (change.auth?.type === "oauth_client_credentials") {
    checkPlace("auth.tokenUrl", change.auth.tokenUrl, checkUrl);
  }
  return next;
}

/**
 * Whoever may change a record must not learn its secrets by sending them to an address of his own.
 * @throws {FaultyRequest}
 */
function refuseMovedSecrets(known: Access, change: Partial<Access>, next: Access): void {
  const isMoved = known.url !== "" && new URL(known.url).origin !== new URL(next.url).origin;
  const faults: Fault[] = [];
  const kept = Object.entries(next.headers).filter(([name, value]) =>
    known.headers[name] === value
  );
  if (isMoved && kept.length > 0) faults.push({ path: "headers", message: GIVE_AGAIN });
  if (isMoved && keepsSecret(known.auth, next.auth)) {
    faults.push({ path: "auth", message: GIVE_AGAIN });
  }
  const { tokenUrl: before } = placeOfTokens(known.auth);
  const { tokenUrl: after } = placeOfTokens(next.auth);
  const isTokenMoved = change.auth !== undefined && before !== undefined && after !== undefined &&
    new URL(before).origin !== new URL(after).origin;
  if (isTokenMoved && keepsSecret(known.auth, next.auth)) {
    faults.push({ path: "auth.clientSecret", message: GIVE_AGAIN });
  }
  if (faults.length === 0) return;
  const text = "Credentials for one address are not sent to another";
  throw new FaultyRequest("invalid_request", text, faults);
}

const GIVE_AGAIN = "must be given again with a URL at another address";

function placeOfTokens(auth: UpstreamAuth): { readonly tokenUrl: string | undefined } {
  return { tokenUrl: auth.type === "oauth_client_credentials" ? auth.tokenUrl : undefined };
}

/** Whether what must stay secret is the same as before. */
function keepsSecret(before: UpstreamAuth, after: UpstreamAuth): boolean {
  const secrets = secretsOf(before);
  return secretsOf(after).some((secret) => secrets.includes(secret));
}

function secretsOf(auth: UpstreamAuth): readonly string[] {
  switch (auth.type) {
    case "bearer":
      return [auth.token];
    case "basic":
      return [auth.password];
    case "header":
      return [auth.value];
    case "oauth_client_credentials":
      return [auth.clientSecret];
    case "none":
      return [];
  }
}

/** Text of a URL is shown to whoever may read the record, so a secret has no place in it. */
function checkPlace(path: string, text: string, checkUrl: (url: URL) => void): void {
  const url = new URL(text);
  checkUrl(url);
  if (url.username === "" && url.password === "" && url.hash === "") return;
  throw new FaultyRequest("invalid_request", "The URL cannot be used", [
    { path, message: "must not hold credentials or a fragment" },
  ]);
}
