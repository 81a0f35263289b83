/**
 * One request to a token endpoint, and what it answers.
 *
 * @module
 * @see RFC 6749, sections 4.4, 5.1 and 5.2; RFC 8707, section 2
 */
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamAuth } from "../domain/server.ts";
import { type DialTarget, targetOf } from "../platform/dial.ts";
import type { HttpClient, HttpReply } from "../platform/http1/client.ts";
import { basicCredentials } from "./header_fields.ts";

export type ClientCredentials = Extract<UpstreamAuth, { type: "oauth_client_credentials" }>;

/** Where the client's credentials stand: `client_secret_basic`, `client_secret_post`. */
export type ClientAuthentication = "basic" | "body";

export interface Grant {
  readonly token: string;
  /** How long it lasts from now; `undefined` when that is not said. */
  readonly lifeMs: number | undefined;
}

/** The endpoint answered, and gave no token. Shows no more than its status and error code. */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
  /** Whether the client's credentials may have stood where they are not looked for. */
  readonly mayBeMisread: boolean;

  constructor(status: number, error: string | undefined) {
    super(`The token endpoint answered HTTP ${status}, error ${error ?? "unknown"}`);
    const isAboutClient = error === undefined || error === "invalid_client" ||
      error === "invalid_request";
    this.mayBeMisread = (status === 400 || status === 401) && isAboutClient;
  }
}

export interface TokenRequestOptions<S> {
  readonly connectMs: number;
  readonly userAgent: string;
  readonly checkAddress: (server: S, target: DialTarget, address: string) => void;
  readonly ruleOf: (server: S) => string;
}

/**
 * @throws {TokenRefused}
 * @throws as `HttpClient.send`, and {Error} for an answer that is none
 */
export async function requestToken<S>(
  http: HttpClient,
  options: TokenRequestOptions<S>,
  server: S,
  auth: ClientCredentials,
  by: ClientAuthentication,
  signal: AbortSignal,
): Promise<Grant> {
  const url = endpointOf(auth);
  const target = targetOf(url);
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (auth.scope) form.set("scope", auth.scope);
  if (auth.resource) form.set("resource", auth.resource);
  let credentials = "";
  if (by === "body") {
    form.set("client_id", auth.clientId);
    form.set("client_secret", auth.clientSecret);
  } else {
    const basic = basicCredentials(encoded(auth.clientId), encoded(auth.clientSecret));
    credentials = `Authorization: ${basic}\r\n`;
  }
  const reply = await http.send({
    target,
    head: `POST ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n` +
      `User-Agent: ${options.userAgent}\r\nAccept: application/json\r\n` +
      `Accept-Encoding: identity\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
      credentials,
    body: new TextEncoder().encode(form.toString()),
    // A second token does no harm.
    idempotent: true,
    connectMs: options.connectMs,
    checkAddress: (address) => options.checkAddress(server, target, address),
    rule: options.ruleOf(server),
    signal,
  });
  try {
    return grantOf(reply.status, await jsonOf(reply));
  } finally {
    reply.release();
  }
}

function endpointOf({ tokenUrl }: ClientCredentials): URL {
  const url = URL.canParse(tokenUrl) ? new URL(tokenUrl) : undefined;
  const isUsable = url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "";
  if (!isUsable) throw new Error("The token URL cannot be used");
  return url;
}

/** @see RFC 6749, section 2.3.1 and appendix B */
function encoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

/** Its members, or none when it is no JSON object. @throws when it is too large or breaks off */
async function jsonOf(reply: HttpReply): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await reply.whole(LIMITS.tokenReplyBytes, () => {});
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function grantOf(status: number, answer: Readonly<Record<string, unknown>>): Grant {
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  if (isRefusal) throw new TokenRefused(status, errorCode(answer.error));
  const { access_token: token, token_type: type = "Bearer" } = answer;
  if (status !== 200) throw new Error(`The token endpoint answered HTTP ${status}`);
  if (typeof token !== "string" || !isToken(token)) {
    throw new Error("The token endpoint gave no token that can be sent");
  }
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") {
    throw new Error("The token endpoint gave a token of another type than Bearer");
  }
  return { token, lifeMs: lifeMsOf(answer.expires_in) };
}

/** Visible ASCII: nothing that would end the header line, or what stands in it. */
function isToken(text: string): boolean {
  return text.length <= LIMITS.tokenBytes && /^[\x21-\x7e]+$/.test(text);
}

/** Seconds; some servers send them as text. */
function lifeMsOf(seconds: unknown): number | undefined {
  const isText = typeof seconds === "string" && /^\d{1,12}$/.test(seconds);
  const life = isText ? Number(seconds) : seconds;
  return typeof life === "number" && life >= 0 ? life * 1000 : undefined;
}

/** Only those that are defined: any other text could repeat a secret. */
function errorCode(error: unknown): string | undefined {
  return typeof error === "string" && ERROR_CODES.includes(error) ? error : undefined;
}

/** @see RFC 6749, section 5.2; RFC 8707, section 2 */
const ERROR_CODES: readonly string[] = [
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_target",
];
