/**
 * Exposed names and aliases: readable where possible, unique and usable always, the same each time.
 *
 * @module
 * @see contract.md, section 4
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { aliasUri, exposedName } from "../../src/domain/exposed_name.ts";

const FREE = () => false;
const USABLE = /^[A-Za-z0-9_./-]{1,64}$/;

for (
  const [slug, separator, name, exposed] of [
    ["github", "-", "get_issue", "github-get_issue"],
    ["github", "__", "get_issue", "github__get_issue"],
    ["github", ".", "issues/get", "github.issues/get"],
    ["github", "-", "Get-Issue.v2", "github-Get-Issue.v2"],
    ["a", "-", "", "a-"],
    ["a", "-", "x".repeat(62), `a-${"x".repeat(62)}`],
    ["a", "-", "__proto__", "a-__proto__"],
  ] satisfies [string, string, string, string][]
) {
  Deno.test(`"${name}" of ${slug} with "${separator}" between is exposed unchanged`, () => {
    assertEquals(exposedName(slug, separator, name, FREE), exposed);
  });
}

for (
  const [what, name, shown] of [
    ["a space", "get issue", /^github-get_issue-[0-9a-f]{8}$/],
    ["an emoji", "fox🦊", /^github-fox_-[0-9a-f]{8}$/],
    ["a Cyrillic a", "p\u0430y", /^github-p_y-[0-9a-f]{8}$/],
    ["a lone surrogate", "x\ud83e", /^github-x_-[0-9a-f]{8}$/],
    ["a NUL and a line break", "a\u0000\nb", /^github-a__b-[0-9a-f]{8}$/],
    ["a separator of another kind", "a:b", /^github-a_b-[0-9a-f]{8}$/],
    ["300 characters", "n".repeat(300), /^github-n{48}-[0-9a-f]{8}$/],
    ["300 emoji", "🦊".repeat(300), /^github-_{48}-[0-9a-f]{8}$/],
    ["one character too many", "n".repeat(58), /^github-n{48}-[0-9a-f]{8}$/],
  ] satisfies [string, string, RegExp][]
) {
  Deno.test(`a name with ${what} is cut and ended by a hash`, () => {
    const name_ = exposedName("github", "-", name, FREE);
    assertEquals([shown.test(name_), USABLE.test(name_)], [true, true], name_);
  });
}

Deno.test("a slug of full length leaves room for the hash", () => {
  const name = exposedName("s".repeat(128), "-", "tool", FREE);
  assertEquals([name.length, USABLE.test(name)], [64, true]);
});

Deno.test("a cut name is the same every time", () => {
  assertEquals(exposedName("github", "-", "get issue", FREE), "github-get_issue-cb31c17f");
});

Deno.test("a name that is taken gets a hash", () => {
  const taken = new Set(["github-get_issue"]);
  const name = exposedName("github", "-", "get_issue", (other) => taken.has(other));
  assertEquals(/^github-get_issue-[0-9a-f]{8}$/.test(name), true, name);
});

Deno.test("where the hashed name is taken too, another hash is made", () => {
  const first = exposedName("github", "-", "get issue", FREE);
  const second = exposedName("github", "-", "get issue", (other) => other === first);
  assertEquals([second === first, second.startsWith("github-get_issue-")], [false, true]);
});

Deno.test("names that look alike once they are cut stay apart", () => {
  const names = ["p\u0430y", "p\u03b1y", "p🦊y", "p y", "p\u00e1y", "pa\u0301y"];
  const exposed = names.map((name) => exposedName("github", "-", name, FREE));
  assertEquals(new Set(exposed).size, names.length);
});

Deno.test("names that differ in lone surrogates stay apart", () => {
  assertEquals(
    exposedName("a", "-", "\ud83e", FREE) === exposedName("a", "-", "\ud83d", FREE),
    false,
  );
});

Deno.test("names that differ in case only are both kept", () => {
  assertEquals(
    ["Read", "read"].map((name) => exposedName("files", "-", name, FREE)),
    ["files-Read", "files-read"],
  );
});

Deno.test("the same text of another slug and name gets another hash", () => {
  const isTaken = (name: string) => name === "a-b-c";
  assertEquals(
    exposedName("a-b", "-", "c", isTaken) === exposedName("a", "-", "b-c", isTaken),
    false,
  );
});

Deno.test("ten thousand names of one server that are all cut to the same stay unique", () => {
  const exposed = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    exposed.add(exposedName("s", "-", `${"n".repeat(70)}${i}`, (name) => exposed.has(name)));
  }
  assertEquals(exposed.size, 10_000);
});

Deno.test("when every name is taken it says so", () => {
  assertThrows(
    () => exposedName("a", "-", "b", () => true),
    (error) => error instanceof GatewayError && error.code === "conflict",
  );
});

for (
  const [uri, alias] of [
    ["file:///a.txt", "file:///a.txt#docs"],
    ["ui://widget/main", "ui://widget/main#docs"],
    ["file:///a.txt#top", "file:///a.txt#top~docs"],
    ["file:///{+path}", "file:///{+path}#docs"],
    ["file:///{path}{#line}", "file:///{path}{#line}~docs"],
    ["", "#docs"],
  ] satisfies [string, string][]
) {
  Deno.test(`"${uri}" of docs gets the alias ${alias}`, () => {
    assertEquals(aliasUri(uri, "docs", FREE), alias);
  });
}

Deno.test("an alias that is taken is numbered", () => {
  const taken = new Set(["a:b#docs", "a:b#docs-2"]);
  assertEquals(aliasUri("a:b", "docs", (uri) => taken.has(uri)), "a:b#docs-3");
});

Deno.test("when every alias is taken it says so", () => {
  assertThrows(
    () => aliasUri("a:b", "docs", () => true),
    (error) => error instanceof GatewayError && error.code === "conflict",
  );
});
