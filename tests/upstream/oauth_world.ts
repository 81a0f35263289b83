/**
 * An upstream server that wants access tokens, and the endpoint that gives them.
 *
 * @module
 */
import type { HttpUpstream, UpstreamAuth } from "../../src/domain/server.ts";
import {
  ANSWER,
  anUpstream,
  json,
  openRecorder,
  openUpstreamWorld,
  type Recorded,
  type RecordingServer,
  type UpstreamWorld,
  valuesOf,
} from "./client_world.ts";

export const URL_1 = "http://127.0.0.1:9/mcp";
export const SECRET = "s3cr3t-canary";

export interface OAuthWorld extends UpstreamWorld {
  readonly endpoint: RecordingServer;
  readonly upstream: RecordingServer;
  readonly server: (more?: Partial<OAuth>) => HttpUpstream;
}

export type OAuth = Extract<UpstreamAuth, { type: "oauth_client_credentials" }>;

export interface OAuthOptions {
  /** What the token endpoint answers; the nth request gets `token-n` otherwise. */
  readonly token?: (nth: number, request: Recorded) => string | Promise<string>;
  /** Which tokens the server takes; all otherwise. */
  readonly accepts?: (token: string) => boolean;
  /** Awaited before the server answers its nth request. */
  readonly before?: (nth: number) => Promise<void>;
  readonly status?: number;
  /** The token endpoint answers nothing before the end of the test. */
  readonly isSilent?: boolean;
}

/** A server that wants access tokens, and an endpoint that gives them. */
export function openOAuth(options: OAuthOptions = {}): OAuthWorld {
  const { token = (nth: number) => aToken(nth), accepts = () => true, status = 200 } = options;
  const end = Promise.withResolvers<void>();
  const endpoint = openRecorder(async (request, nth) => {
    if (options.isSilent) await end.promise;
    return await token(nth, request);
  });
  const upstream = openRecorder(async ({ head }, nth) => {
    await options.before?.(nth);
    const given = valuesOf(head, "authorization")[0]?.replace(/^Bearer /, "") ?? "";
    return accepts(given) ? json(status, ANSWER) : json(401, '{"error":"invalid_token"}');
  });
  const world = openUpstreamWorld();
  const tokenUrl = `http://127.0.0.1:${endpoint.port}/token?tenant=1`;
  return {
    ...world,
    endpoint,
    upstream,
    server: (more) => anUpstream(upstream.url, { auth: { ...oauth(tokenUrl), ...more } }),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      end.resolve();
      await Promise.all([upstream[Symbol.asyncDispose](), endpoint[Symbol.asyncDispose]()]);
    },
  };
}

export function oauth(tokenUrl: string): OAuth {
  return {
    type: "oauth_client_credentials",
    tokenUrl,
    clientId: "client-1",
    clientSecret: SECRET,
  };
}

export function aToken(nth: number, more: Readonly<Record<string, unknown>> = {}): string {
  const answer = { access_token: `token-${nth}`, token_type: "Bearer", expires_in: 3600 };
  return json(200, { ...answer, ...more });
}

export function onlyInBody(nth: number, { body }: Recorded): string {
  return body.includes("client_secret=") ? aToken(nth) : json(401, { error: "invalid_client" });
}
