/**
 * `OIDC_ISSUERS`: what is taken, and that each problem is named.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  throws as assertThrows,
} from "node:assert/strict";
import { oidcIssuers } from "../../src/config/oidc_issuers.ts";

const GOOD = { issuer: "https://login.example.com", audience: "sallyport" };

Deno.test("an issuer needs a name and an audience only", () => {
  assertEquals(oidcIssuers(JSON.stringify([GOOD])), [{
    ...GOOD,
    jwksUri: undefined,
    emailClaim: undefined,
    teamsClaim: undefined,
  }]);
});

Deno.test("all members are taken over as they are", () => {
  const full = {
    ...GOOD,
    jwksUri: "https://keys.example.com/jwks?v=1",
    emailClaim: "email",
    teamsClaim: "https://example.com/groups",
  };
  assertEquals(oidcIssuers(JSON.stringify([full])), [full]);
});

for (const text of ["", " ", "[]"]) {
  Deno.test(`${JSON.stringify(text)} is no issuer`, () => {
    assertEquals(oidcIssuers(text), []);
  });
}

for (
  const issuer of ["https://a.example/", "http://127.0.0.1:8080/realms/x", "https://a.example/x/"]
) {
  Deno.test(`the issuer ${issuer} is kept as it is written`, () => {
    assertEquals(oidcIssuers(JSON.stringify([{ ...GOOD, issuer }]))[0]!.issuer, issuer);
  });
}

for (
  const [value, named] of [
    ["nonsense", "JSON list"],
    ["{}", "JSON list"],
    ["null", "JSON list"],
    [JSON.stringify(GOOD), "JSON list"],
    ["[1]", "[0]"],
    ["[null]", "[0]"],
    [[{}], "[0].issuer"],
    [[{}], "[0].audience"],
    [[GOOD, { ...GOOD, issuer: "login.example.com" }], "[1].issuer"],
    [[{ ...GOOD, issuer: "" }], "[0].issuer"],
    [[{ ...GOOD, issuer: 1 }], "[0].issuer"],
    [[{ ...GOOD, issuer: "ftp://a.example" }], "[0].issuer"],
    [[{ ...GOOD, issuer: "https://a:b@a.example" }], "[0].issuer"],
    [[{ ...GOOD, issuer: "https://a.example/x y" }], "[0].issuer"],
    [[{ ...GOOD, issuer: "https://a.example?x" }], "[0].issuer"],
    [[{ ...GOOD, audience: "" }], "[0].audience"],
    [[{ ...GOOD, audience: ["a"] }], "[0].audience"],
    [[{ ...GOOD, jwksUri: "/keys" }], "[0].jwksUri"],
    [[{ ...GOOD, jwksUri: "file:///keys" }], "[0].jwksUri"],
    [[{ ...GOOD, emailClaim: "" }], "[0].emailClaim"],
    [[{ ...GOOD, teamsClaim: 1 }], "[0].teamsClaim"],
    [[{ ...GOOD, jwksUrl: "https://a.example" }], "jwksUrl"],
    [[GOOD, GOOD], "twice"],
    [Array.from({ length: 51 }, (_, i) => ({ ...GOOD, issuer: `https://a${i}.example` })), "50"],
  ] satisfies [unknown, string][]
) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  Deno.test(`${text.slice(0, 90)} is refused, naming ${named}`, () => {
    assertThrows(() => oidcIssuers(text), (error: Error) => error.message.includes(named));
  });
}

Deno.test("all problems are named at once", () => {
  const text = JSON.stringify([{ issuer: "x", audience: "a" }, { issuer: "https://a.example" }]);
  assert.throws(() => oidcIssuers(text), /\[0\]\.issuer.*\[1\]\.audience/);
});
