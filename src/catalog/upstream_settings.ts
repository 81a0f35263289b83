/**
 * The settings of an upstream server as they are to be kept: what is given, over what is known.
 *
 * @module
 */
import { FaultyRequest } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamSettings } from "../storage/catalog_tables.ts";
import { checkAudience } from "./editing.ts";
import { unmaskedAuth, unmaskedHeaders } from "./secrets.ts";

/** Secrets may be masks where something is known. */
export type NewUpstream = UpstreamSettings & { readonly name: string };
export type UpstreamChange = Partial<NewUpstream>;

/** Before the first change there is nothing that a mask could keep. */
export function blank(upstream: NewUpstream): NewUpstream {
  return { ...upstream, headers: {}, auth: { type: "none" } };
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
  const next: NewUpstream = {
    ...known,
    ...change,
    headers: unmaskedHeaders(change.headers ?? known.headers, known.headers),
    auth: unmaskedAuth(change.auth ?? known.auth, known.auth),
  };
  checkAudience(principal, next);
  // Only what is given: a policy that has become stricter must not keep a server from being
  // switched off.
  if (change.url !== undefined) checkPlace("url", next.url, checkUrl);
  if (change.auth?.type === "oauth_client_credentials") {
    checkPlace("auth.tokenUrl", change.auth.tokenUrl, checkUrl);
  }
  return next;
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
