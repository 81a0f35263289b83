/**
 * What the gateway presents to an upstream server: the fixed headers of its record, and its `auth`.
 *
 * @module
 * @see contract.md, section 6, `auth`; security.md, UPC-03 to UPC-05
 */
import { GatewayError } from "../domain/errors.ts";
import type { UpstreamAuth } from "../domain/server.ts";
import type { HttpReply } from "../platform/http1/client.ts";
import type { AccessTokens } from "./access_token.ts";
import { basicCredentials, isHeaderValue, isSettable } from "./header_fields.ts";
import type { ClientCredentials } from "./token_request.ts";

/** A record of something that is called over HTTP. */
export interface Credentialed {
  /** Values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: UpstreamAuth;
}

export interface FixedHeaders {
  /** Header lines, each ended by CRLF. */
  readonly lines: string;
  /** Lower-cased names in them, and that of the access token if there is one. */
  readonly names: ReadonlySet<string>;
}

/**
 * What is the same with every request. `auth` wins over a header of the same name; names that the
 * transport or the protocol sets are left out.
 * @throws {GatewayError} `internal` for what cannot stand in a header; the value is not shown
 */
export function fixedHeaders(server: Credentialed): FixedHeaders {
  const fields = new Map<string, readonly [name: string, value: string]>();
  for (const [name, value] of Object.entries(server.headers)) {
    if (isSettable(name)) fields.set(name.toLowerCase(), [name, value]);
  }
  const own = authField(server.auth);
  if (own !== undefined) fields.set(own[0].toLowerCase(), own);
  let lines = "";
  for (const [name, value] of fields.values()) {
    if (!isSettable(name) || !isHeaderValue(value)) throw unsendable(name);
    // That of the access token is added to each request.
    if (server.auth.type === "oauth_client_credentials" && name === own?.[0]) continue;
    lines += `${name}: ${value}\r\n`;
  }
  return { lines, names: new Set(fields.keys()) };
}

function authField(auth: UpstreamAuth): readonly [name: string, value: string] | undefined {
  switch (auth.type) {
    case "none":
      return undefined;
    case "bearer":
      return ["Authorization", `Bearer ${auth.token}`];
    case "basic":
      return ["Authorization", basicCredentials(auth.username, auth.password)];
    case "header":
      return [auth.name, auth.value];
    case "oauth_client_credentials":
      return ["Authorization", ""];
  }
}

/**
 * Sends with an access token. A 401 says that nothing was carried out: then, once, with a new one.
 * @param send takes a header line, ended by CRLF
 * @throws as `AccessTokens.get`, and what `send` throws
 */
export async function sendAuthorized<S extends object>(
  tokens: AccessTokens<S>,
  server: S,
  auth: ClientCredentials,
  signal: AbortSignal,
  send: (line: string) => Promise<HttpReply>,
): Promise<HttpReply> {
  const token = await tokens.get(server, auth, signal);
  const reply = await send(bearerLine(token));
  if (reply.status !== 401) return reply;
  let fresh: string | undefined;
  try {
    fresh = await tokens.renew(server, auth, token, signal);
  } catch (error) {
    reply.release();
    throw error;
  }
  if (fresh === undefined) return reply;
  reply.release();
  const second = await send(bearerLine(fresh));
  if (second.status === 401) tokens.refused(server, fresh);
  return second;
}

function bearerLine(token: string): string {
  return `Authorization: Bearer ${token}\r\n`;
}

function unsendable(name: string): GatewayError {
  return new GatewayError(
    "internal",
    `The header "${name.replace(/[^\x21-\x7e]/g, "?").slice(0, 64)}" of the upstream server ` +
      "holds what a header cannot",
  );
}
