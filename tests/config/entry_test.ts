/**
 * Parsers of single settings: what an operator may write, and what is said about the rest.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import {
  boolean,
  duration,
  host,
  integer,
  list,
  oneOf,
  origin,
  parseDuration,
  secret,
  size,
  text,
} from "../../src/config/entry.ts";

const MEBIBYTE = 1024 * 1024;

for (
  const [written, ms] of [
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["2d", 172_800_000],
    ["250ms", 250],
    ["45", 45_000],
    ["1.5s", 1_500],
    ["0.5m", 30_000],
    ["0", 0],
    [" 10 s ", 10_000],
  ] as const
) {
  Deno.test(`the duration "${written}" is ${ms} ms`, () => {
    assertEquals(parseDuration(written), ms);
  });
}

for (
  const written of ["", "s", "-5s", "5 minutes", "5M", "1e3", "5m30s", "Infinity", "1,5s", "٣s"]
) {
  Deno.test(`"${written}" is no duration`, () => {
    assertThrows(() => parseDuration(written), /must be a duration such as "30s"/);
  });
}

for (const written of ["1s", "5m"]) {
  Deno.test(`the bound ${written} of a duration is included`, () => {
    assertEquals(duration({ min: "1s", max: "5m" })(written), parseDuration(written));
  });
}

for (const written of ["999ms", "301"]) {
  Deno.test(`${written} is out of the bounds of a duration, which are named`, () => {
    assertThrows(() => duration({ min: "1s", max: "5m" })(written), /between 1s and 5m/);
  });
}

for (
  const [written, bytes] of [
    ["4MiB", 4 * MEBIBYTE],
    ["512KiB", 512 * 1024],
    ["0.5 MiB", MEBIBYTE / 2],
    ["4mib", 4 * MEBIBYTE],
    ["2MB", 2_000_000],
    ["2048", 2048],
    ["2048b", 2048],
    ["8MiB", 8 * MEBIBYTE],
  ] as const
) {
  Deno.test(`the size "${written}" is ${bytes} bytes`, () => {
    assertEquals(size({ max: "8MiB" })(written), bytes);
  });
}

for (const written of ["", "MiB", "-1MiB", "4 megabytes", "4Mi", "1e6", "5constructor"]) {
  Deno.test(`"${written}" is no size`, () => {
    assertThrows(() => size({ max: "8MiB" })(written), /must be a size such as "4MiB"/);
  });
}

for (const written of ["1023", "9MiB", "0"]) {
  Deno.test(`${written} is out of the bounds of a size, which are named`, () => {
    assertThrows(() => size({ max: "8MiB" })(written), /between 1KiB and 8MiB/);
  });
}

for (const [written, number] of [["0", 0], ["65535", 65_535], [" 80 ", 80]] as const) {
  Deno.test(`"${written}" is a whole number`, () => {
    assertEquals(integer(0, 65_535)(written), number);
  });
}

for (const written of ["", "-1", "65536", "1.0", "0x50", "1e2", "eighty", "NaN"]) {
  Deno.test(`"${written}" is no whole number of the range`, () => {
    assertThrows(() => integer(0, 65_535)(written), /whole number from 0 to 65535/);
  });
}

for (
  const [written, value] of [
    ["true", true],
    ["TRUE", true],
    ["1", true],
    ["yes", true],
    ["on", true],
    ["false", false],
    ["0", false],
    ["no", false],
    ["off", false],
  ] as const
) {
  Deno.test(`"${written}" is ${value}`, () => assertEquals(boolean(written), value));
}

for (const written of ["", "maybe", "2", "null"]) {
  Deno.test(`"${written}" is neither true nor false`, () => {
    assertThrows(() => boolean(written), /must be "true" or "false"/);
  });
}

Deno.test("a choice is free of case and given as it is spelled in the list", () => {
  assertEquals(oneOf("HS256", "HS512")(" hs512 "), "HS512");
});

Deno.test("what is no choice is answered with the choices", () => {
  assertThrows(() => oneOf("text", "json")("xml"), /must be one of text, json/);
});

Deno.test("a text must not be blank", () => {
  assertThrows(() => text("  "), /must not be empty/);
});

for (
  const [written, value] of [
    ["https://mcp.example.com", "https://mcp.example.com"],
    ["https://mcp.example.com/", "https://mcp.example.com"],
    ["http://127.0.0.1:4444", "http://127.0.0.1:4444"],
    ["http://[::1]:4444", "http://[::1]:4444"],
    ["HTTPS://MCP.example.com", "https://mcp.example.com"],
  ] as const
) {
  Deno.test(`"${written}" is an origin`, () => assertEquals(origin(written), value));
}

for (
  const written of [
    "mcp.example.com",
    "https://mcp.example.com/path",
    "https://mcp.example.com?a",
    "https://user:pass@mcp.example.com",
    "ftp://mcp.example.com",
    "https://",
    "https://*.example.com",
    "null",
    "",
  ]
) {
  Deno.test(`"${written}" is no origin`, () => {
    assertThrows(() => origin(written), /must be an origin such as/);
  });
}

Deno.test("an origin that is refused is not repeated: it may hold a password", () => {
  assertThrows(
    () => origin("https://user:hidden@mcp.example.com"),
    (error) => !(error as Error).message.includes("hidden"),
  );
});

for (const written of ["a,b", "a, b", "a b", " a ,, b ", '["a","b"]']) {
  Deno.test(`"${written}" is a list of two`, () => assertEquals(list(text)(written), ["a", "b"]));
}

Deno.test("a blank list is empty", () => assertEquals(list(text)(" "), []));

Deno.test("each item of a list is checked", () => {
  assertThrows(() => list(origin)("https://a.example b"), /must be an origin/);
});

for (const written of ['["a"', '["a",]', '["a"] b']) {
  Deno.test(`"${written}" is no list, in words that an operator understands`, () => {
    assertThrows(() => list(text)(written), /must be a list/);
  });
}

for (
  const written of ["mcp.example.com", "gateway:4444", "127.0.0.1:80", "[::1]:4444", "A.example"]
) {
  Deno.test(`"${written}" is a host`, () => assertEquals(host(written), written.toLowerCase()));
}

for (const written of ["", "https://a.example", "a b", "a/b", "*.example.com", "a:port", "::1"]) {
  Deno.test(`"${written}" is no host`, () => assertThrows(() => host(written), /is not a host/));
}

Deno.test("a key of 32 bytes is long enough", () => {
  assertEquals(secret("ä".repeat(16)), "ä".repeat(16));
});

for (const written of ["x".repeat(31), "", "ä".repeat(15)]) {
  Deno.test(`a key of ${written.length} characters is too short`, () => {
    assertThrows(() => secret(written), /at least 32 bytes/);
  });
}

for (
  const written of [
    "my-test-key-but-now-longer-than-32-bytes",
    "my-test-salt-but-now-longer-than-32-bytes",
    "changeme-changeme-changeme-changeme",
    "CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME",
    "replace-me-with-a-long-random-string-please",
    "your-256-bit-secret-your-256-bit-secret",
  ]
) {
  Deno.test(`the sample "${written}" is no key`, () => {
    assertThrows(() => secret(written), /is a sample key/);
  });
}

for (const written of ["hidden", "my-test-key-hidden-0123456789-abcdef"]) {
  Deno.test(`a key that is refused is not repeated: ${written.length} characters`, () => {
    assertThrows(() => secret(written), (error) => !(error as Error).message.includes("hidden"));
  });
}
