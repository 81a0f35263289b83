/**
 * `DATABASE_URL`: what it may be, and that nothing about it shows a password.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import {
  parseDatabaseUrl,
  type PostgresUrl,
  shownDatabaseUrl,
} from "../../src/storage/database_url.ts";

for (
  const [text, path] of [
    ["sqlite", undefined],
    ["sqlite:", undefined],
    ["SQLite:", undefined],
    ["sqlite::memory:", ":memory:"],
    ["sqlite:./data/a.db", "./data/a.db"],
    ["sqlite:/var/lib/a b.db", "/var/lib/a b.db"],
    [" sqlite:a.db\n", "a.db"],
  ] as const
) {
  Deno.test(`${JSON.stringify(text)} is the file ${path}`, () => {
    assertEquals(parseDatabaseUrl(text), { kind: "sqlite", path });
  });
}

const LOCAL: PostgresUrl = {
  kind: "postgres",
  host: "db",
  port: 5432,
  user: "postgres",
  password: "",
  database: "postgres",
  schema: undefined,
  isTls: false,
};

for (
  const [text, expected] of [
    ["postgres://db", {}],
    ["postgresql://db/", {}],
    ["POSTGRES://db", {}],
    ["postgres://db:6543/name", { port: 6543, database: "name" }],
    ["postgres://ann@db", { user: "ann", database: "ann" }],
    ["postgres://ann:p%40%2F%23%3A%25@db/name", {
      user: "ann",
      password: "p@/#:%",
      database: "name",
    }],
    ["postgres://[::1]:5432/name", { host: "::1", database: "name" }],
    ["postgres://db/n%20m", { database: "n m" }],
    ["postgres://db/name?sslmode=disable", { database: "name" }],
    ["postgres://db?sslmode=require", { isTls: true }],
    ["postgres://db?sslmode=verify-full&schema=own", { isTls: true, schema: "own" }],
  ] as const
) {
  Deno.test(`${text} is understood`, () => {
    assertEquals(parseDatabaseUrl(text), { ...LOCAL, ...expected });
  });
}

for (
  const text of [
    "",
    "hidden",
    "mysql://ann:hidden@db/name",
    "http://hidden",
    "sqlite://hidden.db",
    "sqlite:///hidden.db",
    "postgres:hidden",
    "postgres://",
    "postgres:///hidden",
    "postgres://ann:hid/den@db/name",
    "postgres://ann:hid#den@db/name",
    "postgres://ann:hidden@db:port/name",
    "postgres://ann:hidden@db:70000/name",
    "postgres://ann:hidden%@db/name",
    "postgres://ann:hidden@db/name?sslmode=prefer",
    "postgres://ann:hidden@db/name?sslmode=no-verify",
    "postgres://ann:hidden@db/name?sslrootcert=a",
    "postgres://ann:hidden@db/name?options=-c%20a=b",
    "postgres://ann:hidden@db/name?schema=a,b",
    "postgres://ann:hidden@db/name?schema=A",
  ]
) {
  Deno.test(`"${text}" is refused, and not repeated`, () => {
    assertThrows(
      () => parseDatabaseUrl(text),
      (error: Error) => /^(?:must|has) /.test(error.message) && !error.message.includes("hid"),
    );
  });
}

for (
  const [text, shown] of [
    ["postgres://ann:hidden@db/name?schema=own", "postgres://ann@db:5432/name"],
    ["postgres://a%40b:hidden@[::1]/name", "postgres://a%40b@[::1]:5432/name"],
    ["sqlite:/a/b.db", "sqlite:/a/b.db"],
    ["sqlite::memory:", "sqlite::memory:"],
  ] as const
) {
  Deno.test(`${text} is shown without its password`, () => {
    assertEquals(shownDatabaseUrl(parseDatabaseUrl(text)), shown);
  });
}
