/**
 * What is written down holds no secrets: not by name, not by shape, not in errors and their causes.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createLog } from "../../src/telemetry/log.ts";
import { redact, redactText } from "../../src/telemetry/redact.ts";

const HIDDEN = "hidden-7f3a";
const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

for (
  const name of [
    "authorization",
    "Authorization",
    "proxy-authorization",
    "cookie",
    "Set-Cookie",
    "password",
    "clientSecret",
    "client_secret",
    "JWT_SECRET_KEY",
    "apiKey",
    "api_key",
    "X-Api-Key",
    "privateKey",
    "credentials",
    "token",
    "access_token",
    "x-auth-token",
    "accessToken",
    "refreshToken",
    "authToken",
  ]
) {
  Deno.test(`a field called ${name} is not shown`, () => {
    assert(!shown({ [name]: HIDDEN }).includes(HIDDEN));
  });
}

for (const name of ["tokenId", "subject", "path", "method", "server", "correlationId", "keyId"]) {
  Deno.test(`a field called ${name} is shown`, () => {
    assertEquals(redact({ [name]: "a" }), { [name]: "a" });
  });
}

Deno.test("a secret field is hidden whole, whatever it holds", () => {
  assertEquals(redact({ credentials: { a: [HIDDEN] } }), { credentials: "[redacted]" });
});

for (
  const text of [
    `Bearer ${JWT}`,
    `a token ${JWT} within`,
    `{"token":"${JWT}"}`,
    `${JWT},${JWT}`,
    "spt_0123456789abcdef",
    "Authorization: Bearer hidden-7f3a-0123",
    "authorization: basic aGlkZGVuLTdmM2E=",
    "https://user:hidden-7f3a@example.com/path",
    "postgres://hidden-7f3a@db:5432/x",
  ]
) {
  Deno.test(`the secret in "${text.slice(0, 40)}" is not shown`, () => {
    const written = redactText(text);
    assert(!/eyJzdWI|0123456789abcdef|hidden-7f3a|aGlkZGVu/.test(written), written);
  });
}

for (
  const text of [
    "The bearer is here",
    "https://example.com/a@b",
    "alice@example.com",
    "eyJ is how tokens begin",
    "Basic things",
  ]
) {
  Deno.test(`"${text}" is written as it is`, () => assertEquals(redactText(text), text));
}

Deno.test("secrets are found at every depth that is written", () => {
  assert(!shown({ a: [{ b: { c: { token: HIDDEN } } }] }).includes(HIDDEN));
});

Deno.test("what nests deeper is not written", () => {
  const deep = { a: { a: { a: { a: { a: { a: { a: HIDDEN } } } } } } };
  assert(!shown(deep).includes(HIDDEN));
});

Deno.test("a value that holds itself ends", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  shown(circle);
});

Deno.test("an error becomes its name and message", () => {
  const { name, message } = redact(new TypeError("Broken")) as Error;
  assertEquals({ name, message }, { name: "TypeError", message: "Broken" });
});

Deno.test("secrets in the text of an error are not shown", () => {
  assert(!shown(new Error(`Refused Bearer ${JWT}`)).includes(JWT));
});

Deno.test("the causes of an error are shown, without secrets", () => {
  const cause = new Error("inner", { cause: { password: HIDDEN, host: "db" } });
  const written = shown(new Error("outer", { cause }));
  assertEquals([written.includes("db"), written.includes(HIDDEN)], [true, false]);
});

Deno.test("an error that is its own cause ends", () => {
  const error = new Error("a");
  error.cause = error;
  shown(error);
});

for (const value of [1, true, null, undefined, "a", 1n]) {
  Deno.test(`${String(value)} stays ${String(value)}`, () => assertEquals(redact(value), value));
}

for (const format of ["json", "text"] as const) {
  Deno.test(`a log line in ${format} holds no secrets`, () => {
    const line = logged(format, { token: HIDDEN, error: new Error(`Bearer ${JWT}`) });
    assert(!line.includes(HIDDEN) && !line.includes(JWT), line);
  });

  Deno.test(`a field cannot make a log line of its own in ${format}`, () => {
    assertEquals(
      logged(format, { path: '/a\n{"level":"FATAL"}\r\nb' }).trimEnd().split("\n").length,
      1,
    );
  });
}

Deno.test("lines below the level are not written", () => {
  assertEquals(logged("json", {}, "debug"), "");
});

function shown(value: unknown): string {
  return JSON.stringify(redact(value), (_, one) => typeof one === "bigint" ? String(one) : one);
}

function logged(
  format: "json" | "text",
  fields: Readonly<Record<string, unknown>>,
  severity: "debug" | "warning" = "warning",
): string {
  let written = "";
  const log = createLog({ level: "info", format, write: (line) => written += line });
  log[severity]("It happened", fields);
  return written;
}
