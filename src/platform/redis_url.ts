/**
 * `REDIS_URL`: where Redis is, and as whom it is asked.
 *
 * @module
 * @see contract.md, section 2
 */
export interface RedisUrl {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Empty for the default user. */
  readonly user: string;
  /** Empty for none. */
  readonly password: string;
  readonly database: number;
  /** Encrypted, the server's certificate and name checked. */
  readonly isTls: boolean;
}

const WANTED = "must be redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS";

/** @throws {Error} saying what is wrong, never what was given: it may hold a password */
export function parseRedisUrl(text: string): RedisUrl {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === "") {
    throw new Error(`${WANTED}; special characters in a password are written as %XX`);
  }
  if (url.search !== "" || url.hash !== "") throw new Error(`${WANTED}, and nothing behind that`);
  const [, database] = /^\/?(\d{0,4})$/.exec(url.pathname) ?? [];
  if (database === undefined) throw new Error(`${WANTED}/NUMBER, the number of a database`);
  return {
    host: decoded(url.hostname).replace(/^\[|\]$/g, ""),
    port: Number(url.port || 6379),
    user: decoded(url.username),
    password: decoded(url.password),
    database: Number(database),
    isTls: url.protocol === "rediss:",
  };
}

/** For messages: without the password. */
export function shownRedisUrl({ host, port, user, database, isTls }: RedisUrl): string {
  const at = user === "" ? "" : `${encodeURIComponent(user)}@`;
  const name = host.includes(":") ? `[${host}]` : host;
  return `${isTls ? "rediss" : "redis"}://${at}${name}:${port}/${database}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error("has a % that is not followed by two hex digits");
  }
}
