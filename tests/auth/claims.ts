/**
 * Tokens signed by hand: whatever header, claims and signature a test wants.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { secretKeys } from "../../src/auth/gateway_keys.ts";
import type { GatewayIssuer } from "../../src/auth/issuers.ts";

export const NOW_MS = Date.UTC(2026, 7, 1, 12);
export const NOW_S = NOW_MS / 1000;

export const SECRET = "a key of the tests that is more than 32 bytes long";

export const ISSUER: GatewayIssuer = {
  issuer: "mcpgateway",
  audience: "mcpgateway-api",
  algorithm: "HS256",
  keys: secretKeys(SECRET),
};

/** URL of the endpoint that tokens are presented at. */
export const RESOURCE = "http://127.0.0.1:4444/mcp";

export type Claims = Readonly<Record<string, unknown>>;

export function claims(more: Claims = {}): Claims {
  return {
    iss: ISSUER.issuer,
    aud: ISSUER.audience,
    sub: "alice@example.com",
    iat: NOW_S,
    exp: NOW_S + 3600,
    jti: "token-1",
    ...more,
  };
}

export interface Signing {
  readonly header?: Claims;
  readonly secret?: string;
  readonly hash?: "sha256" | "sha384" | "sha512";
}

/** @param payload claims, or the text of a payload that is none */
export function signed(payload: Claims | string, signing: Signing = {}): string {
  const { header = {}, secret = SECRET, hash = "sha256" } = signing;
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  const parts = [JSON.stringify({ alg: "HS256", typ: "JWT", ...header }), text];
  const input = parts.map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${input}.${createHmac(hash, secret).update(input).digest("base64url")}`;
}
