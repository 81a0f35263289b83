/**
 * `DATABASE_URL`: which database, and how to reach it.
 *
 * @module
 * @see contract.md, section 2
 */
export type DatabaseUrl = SqliteUrl | PostgresUrl;

export interface SqliteUrl {
  readonly kind: "sqlite";
  /** `:memory:` for nothing kept; `undefined` for the file in the data directory. */
  readonly path: string | undefined;
}

export interface PostgresUrl {
  readonly kind: "postgres";
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Schema of the tables; `undefined` for the one that the server chooses. */
  readonly schema: string | undefined;
  /** Encrypted, the server's certificate and name checked. */
  readonly isTls: boolean;
}

export const IN_MEMORY = ":memory:";

const WANTED = "must be sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/NAME";

/** @throws {Error} saying what is wrong, never what was given: it may hold a password */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const trimmed = text.trim();
  if (/^postgres(?:ql)?:\/\//i.test(trimmed)) return parsePostgresUrl(trimmed);
  const path = /^sqlite(?::(.*))?$/is.exec(trimmed);
  if (path === null) throw new Error(WANTED);
  if (path[1]?.startsWith("//")) {
    throw new Error("must be sqlite:PATH, with the path right behind the colon");
  }
  return { kind: "sqlite", path: path[1] || undefined };
}

/** For messages: without the password. */
export function shownDatabaseUrl(url: DatabaseUrl): string {
  if (url.kind === "sqlite") return `sqlite:${url.path ?? ""}`;
  const host = url.host.includes(":") ? `[${url.host}]` : url.host;
  return `postgres://${encodeURIComponent(url.user)}@${host}:${url.port}/${url.database}`;
}

const TLS_MODES: ReadonlyMap<string, boolean> = new Map([
  ["disable", false],
  ["require", true],
  ["verify-ca", true],
  ["verify-full", true],
]);

function parsePostgresUrl(text: string): PostgresUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === "") {
    throw new Error(`${WANTED}; special characters in a password are written as %XX`);
  }
  const { sslmode = "disable", schema, ...others } = Object.fromEntries(url.searchParams);
  const other = Object.keys(others)[0];
  if (other !== undefined) {
    throw new Error(`must not contain "${other}": "sslmode" and "schema" are the only parameters`);
  }
  const isTls = TLS_MODES.get(sslmode);
  if (isTls === undefined) {
    throw new Error(`has an "sslmode" that is none of ${[...TLS_MODES.keys()].join(", ")}`);
  }
  if (schema !== undefined && !/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new Error('has a "schema" that is not a plain lower-case name');
  }
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)]
    .map(decoded);
  return {
    kind: "postgres",
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 5432),
    user: user || "postgres",
    password: password!,
    database: database || user || "postgres",
    schema,
    isTls,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error("has a % that is not followed by two hex digits");
  }
}
