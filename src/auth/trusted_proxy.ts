/**
 * Reverse proxies that are believed: which they are, whom they say the caller is, and where the
 * caller really is.
 *
 * Only the address at the other end of the connection decides whether a header counts; addresses
 * are compared as numbers, so that a spelling makes no difference. Who is listed may have to prove
 * itself with a secret besides.
 *
 * @module
 * @see security.md, PROXY-01 to PROXY-06
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Credential, NO_CREDENTIAL } from "../domain/credential.ts";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { type Block, contains, parseAddress } from "../platform/addresses.ts";

export interface TrustedProxies {
  /** @param peer IP address at the other end of the connection */
  readonly isTrusted: (peer: string) => boolean;
  /**
   * The address of the client: the last one that no trusted proxy has.
   * @param forwardedFor value of `X-Forwarded-For`
   */
  readonly sourceOf: (peer: string, forwardedFor: string | undefined) => string;
}

export function createTrustedProxies(blocks: readonly Block[]): TrustedProxies {
  const isTrusted = (text: string) => {
    if (blocks.length === 0) return false;
    const address = parseAddress(text);
    return address !== undefined && blocks.some((block) => contains(block, address));
  };
  return {
    isTrusted,
    sourceOf(peer, forwardedFor) {
      if (forwardedFor === undefined || !isTrusted(peer)) return peer;
      let source = peer;
      // Each proxy adds at the end whom it was called by; what stands before is as good as its word.
      for (const hop of forwardedFor.split(",").reverse()) {
        const text = hop.trim();
        if (parseAddress(text) === undefined) return source;
        source = text;
        if (!isTrusted(text)) return source;
      }
      return source;
    },
  };
}

/**
 * Whether the header's value, as it arrived, is the proxy's secret. Without a secret everything is;
 * it takes the same time whatever is wrong.
 */
export function createProxyProof(
  secret: string | undefined,
): (given: string | undefined) => boolean {
  if (secret === undefined) return () => true;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(secret);
  return (given) => timingSafeEqual(digest(given ?? ""), expected);
}

/** Printable ASCII but for what parts names: bytes beyond it are read in more than one way. */
const ONE_NAME = /^[!#-+\--:=?-[\]-~]+$/;

/**
 * Whom a trusted proxy says that the caller is: a name, and no right. The same name is the same
 * `Credential`, so that what is kept for it is found again.
 * @throws {GatewayError} from the returned function: `invalid_request` unless the header's value, as
 *   it arrived, is one name of 1–255 characters; two headers arrive joined by a comma
 */
export function createProxyCredentials(): (header: string) => Credential {
  const known = new Map<string, Credential>();
  return (header) => {
    const found = known.get(header);
    if (found !== undefined) return found;
    if (!ONE_NAME.test(header) || header.length > LIMITS.subjectChars) {
      throw new GatewayError("invalid_request", "The user header of the proxy is not one name");
    }
    const made: Credential = {
      ...NO_CREDENTIAL,
      kind: "proxy",
      subject: header,
      teams: "stored",
    };
    if (known.size >= LIMITS.proxyUsers) known.delete(known.keys().next().value!);
    known.set(header, made);
    return made;
  };
}
