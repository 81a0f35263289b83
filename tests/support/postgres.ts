/**
 * A schema of its own in the PostgreSQL on this machine, which goes away with the test.
 *
 * `TEST_POSTGRES_URL` names another server. Without one these tests are skipped, but never in
 * continuous integration.
 *
 * @module
 */
import postgres from "postgres";
import { parseDatabaseUrl, type PostgresUrl } from "../../src/storage/database_url.ts";

export const POSTGRES_URL = Deno.env.get("TEST_POSTGRES_URL") ??
  "postgres://postgres@127.0.0.1:5432/postgres";

export interface OwnSchema extends AsyncDisposable {
  /** For `DATABASE_URL`. */
  readonly text: string;
  readonly url: PostgresUrl;
  /** Asks besides the gateway, in the same schema. */
  readonly ask: (sql: string) => Promise<readonly postgres.Row[]>;
}

export interface OwnUser extends AsyncDisposable {
  /** For `DATABASE_URL`. */
  readonly text: string;
  readonly url: PostgresUrl;
}

/** A test that needs PostgreSQL. */
export function postgresTest(name: string, test: () => Promise<void>): void {
  Deno.test({
    name: IS_SKIPPED ? `${name} (no PostgreSQL)` : name,
    ignore: IS_SKIPPED,
    fn: test,
  });
}

export async function ownSchema(): Promise<OwnSchema> {
  const schema = `sallyport_test_${crypto.randomUUID().replaceAll("-", "")}`;
  const sql = connect();
  await sql.unsafe(`create schema ${schema}`);
  const text = `${POSTGRES_URL}?schema=${schema}`;
  return {
    text,
    url: parseDatabaseUrl(text) as PostgresUrl,
    ask: async (question) =>
      await sql.begin(async (own) => {
        await own.unsafe(`set local search_path to ${schema}`);
        return await own.unsafe(question);
      }),
    async [Symbol.asyncDispose]() {
      await sql.unsafe(`drop schema ${schema} cascade`);
      await sql.end();
    },
  };
}

/** A user of PostgreSQL's that is no administrator, on this schema. */
export async function ownUser(schema: OwnSchema): Promise<OwnUser> {
  const user = `sallyport_test_${crypto.randomUUID().replaceAll("-", "")}`;
  await schema.ask(`create role ${user} login;
    grant all on schema ${schema.url.schema} to ${user};
    grant all on all tables in schema ${schema.url.schema} to ${user}`);
  const text = new URL(schema.text);
  text.username = user;
  return {
    text: text.href,
    url: { ...schema.url, user },
    async [Symbol.asyncDispose]() {
      await schema.ask(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${user}'`,
      );
      await schema.ask(`drop owned by ${user}; drop role ${user}`);
    },
  };
}

function connect() {
  return postgres(POSTGRES_URL, { max: 1, onnotice: () => {}, connect_timeout: 3 });
}

const isThere = await (async () => {
  const sql = connect();
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
})();

export const IS_SKIPPED = !isThere && Deno.env.get("CI") !== "true";
