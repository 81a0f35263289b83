/**
 * An external issuer: a server with a discovery document and keys, and tokens signed with them.
 *
 * @module
 */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

export interface TestKey {
  readonly kid: string | undefined;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** The public half as a document lists it. */
  readonly jwk: JWK;
}

/** @param kid `undefined` for a key without one */
export async function makeKey(kid?: string, algorithm = "ES256"): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = { ...await exportJWK(publicKey), ...kid !== undefined && { kid } };
  return { kid, algorithm, privateKey, publicKey, jwk };
}

export interface TestIssuer extends AsyncDisposable {
  /** What it calls itself: its origin. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Replaces the listed keys. */
  readonly list: (...keys: readonly TestKey[]) => void;
  /** From now on every request is answered by this; `undefined` ends it. */
  readonly answer: (
    handler: ((request: Request) => Response | Promise<Response>) | undefined,
  ) => void;
  /** Paths that were asked for, in order. */
  readonly asked: readonly string[];
  /** A token with the usual claims. */
  readonly token: (
    key: TestKey,
    claims?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ) => Promise<string>;
}

export const OIDC_AUDIENCE = "sallyport-tests";

/** @param now milliseconds since the epoch, for the times of tokens */
export function openIssuer(now: () => number = Date.now): TestIssuer {
  let keys: readonly TestKey[] = [];
  let handler: ((request: Request) => Response | Promise<Response>) | undefined;
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, origin } = new URL(request.url);
    asked.push(pathname);
    if (handler !== undefined) return handler(request);
    if (pathname === "/.well-known/openid-configuration") {
      return Response.json({ issuer: origin, jwks_uri: `${origin}/keys` });
    }
    if (pathname !== "/keys") return new Response(null, { status: 404 });
    return Response.json({ keys: keys.map(({ jwk }) => jwk) });
  });
  const issuer = `http://127.0.0.1:${server.addr.port}`;
  return {
    issuer,
    jwksUri: `${issuer}/keys`,
    list: (...listed) => void (keys = listed),
    answer: (next) => void (handler = next),
    asked,
    async token(key, claims = {}, header = {}) {
      const nowS = Math.floor(now() / 1000);
      const all = {
        iss: issuer,
        aud: OIDC_AUDIENCE,
        sub: "user-1",
        iat: nowS,
        exp: nowS + 3600,
        ...claims,
      };
      const named = { alg: key.algorithm, ...key.kid !== undefined && { kid: key.kid }, ...header };
      const present = (from: object) =>
        Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined));
      return await new SignJWT(present(all))
        .setProtectedHeader(present(named) as { alg: string })
        .sign(key.privateKey);
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
