/**
 * URI templates: which URIs come from them, with which values, and in bounded time.
 *
 * @module
 * @see RFC 6570
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import {
  matchUri,
  matchVariables,
  parseUriTemplate,
  specificity,
  type UriTemplate,
} from "../../src/domain/uri_template.ts";

type Values = Record<string, string | string[]>;

for (
  const [template, uri, values] of [
    // Level 1
    ["test://template/{id}/data", "test://template/7/data", { id: "7" }],
    ["test://template/{id}/data", "test://template//data", undefined],
    ["test://template/{id}/data", "test://template/a/b/data", undefined],
    ["test://template/{id}/data", "test://template/a?b/data", undefined],
    ["test://template/{id}/data", "test://template/a#b/data", undefined],
    ["test://template/{id}/data", "test://template/7/data/", undefined],
    ["test://template/{id}/data", "xtest://template/7/data", undefined],
    ["test://template/{id}/data", "test://template/7/DATA", undefined],
    ["a:{x}", "a:%C3%BC%2Fb", { x: "ü/b" }],
    ["a:{x}", "a:über mut", { x: "über mut" }],
    ["a:{x}", "a:100%", { x: "100%" }],
    ["a:{x}", "a:%ff", { x: "%ff" }],
    ["a:{x}", "a:b:c@d,e;f=g", { x: "b:c@d,e;f=g" }],
    ["a:{x}", "a:🦊", { x: "🦊" }],
    ["a:{x}", "a:{x}", { x: "{x}" }],
    ["a:ü/{x}", "a:%C3%BC/1", { x: "1" }],
    ["a:ü/{x}", "a:ü/1", { x: "1" }],
    ["a:{x}", "a:", undefined],
    ["a:b", "a:b", {}],
    ["a:b", "a:bc", undefined],
    ["", "", {}],
    ["{x}", "a", { x: "a" }],
    ["a:{x}-{y}", "a:1-2-3", { x: "1-2", y: "3" }],
    ["a:{name}.{ext}", "a:b.tar.gz", { name: "b.tar", ext: "gz" }],
    ["a:{x}{y}", "a:12", { x: "1", y: "2" }],
    ["a:{x}{y}", "a:1", undefined],
    ["a:{user-id}/{a.b}", "a:1/2", { "user-id": "1", "a.b": "2" }],
    ["a:{__proto__}", "a:1", JSON.parse('{"__proto__":"1"}')],
    ["a:{x}/{x}", "a:1/2", { x: "1" }],
    // Level 2
    ["file:///{+path}", "file:///a/b/c.txt", { path: "a/b/c.txt" }],
    ["file:///{+path}", "file:///a?b#c", { path: "a?b#c" }],
    ["file:///{+path}", "file:///", undefined],
    ["a:{+path}/end", "a:b/end/end", { path: "b/end" }],
    ["a:b{#part}", "a:b#c/d?e", { part: "c/d?e" }],
    ["a:b{#part}", "a:b#", { part: "" }],
    ["a:b{#part}", "a:b", {}],
    ["a:b{#part}", "a:bc", undefined],
    ["a:{+path}#docs", "a:b/c#docs", { path: "b/c" }],
    ["a:{x}{#part}~docs", "a:b#c~docs", { x: "b", part: "c" }],
    ["a:{x}{#part}~docs", "a:b~docs", { x: "b" }],
    // Level 3
    ["a:{x,y}", "a:1,2", { x: "1", y: "2" }],
    ["a:{x,y}", "a:1", undefined],
    ["a:{+x,y}", "a:1/2,3/4", { x: "1/2", y: "3/4" }],
    ["a:b{#x,y}", "a:b#1/2,3", { x: "1/2", y: "3" }],
    ["a:b{.x}", "a:b.json", { x: "json" }],
    ["a:b{.x}", "a:b.", undefined],
    ["a:b{.x,y}", "a:b.tar.gz", { x: "tar", y: "gz" }],
    ["a:b{/x}", "a:b/c", { x: "c" }],
    ["a:b{/x}", "a:b/", undefined],
    ["a:b{/x,y}/z", "a:b/1/2/z", { x: "1", y: "2" }],
    ["a:b{;x,y}", "a:b;x=1;y=2", { x: "1", y: "2" }],
    ["a:b{;x,y}/c", "a:b;x/c", { x: "" }],
    ["a:b{;x}/c", "a:b;x=1/2/c", undefined],
    ["a:b{?q,limit}", "a:b?q=1&limit=2", { q: "1", limit: "2" }],
    ["a:b{?q,limit}", "a:b?limit=2&q=1", { q: "1", limit: "2" }],
    ["a:b{?q,limit}", "a:b?limit=2", { limit: "2" }],
    ["a:b{?q,limit}", "a:b", {}],
    ["a:b{?q,limit}", "a:b?", undefined],
    ["a:b{?q,limit}", "a:b?q=", { q: "" }],
    ["a:b{?q,limit}", "a:b?q", { q: "" }],
    ["a:b{?q,limit}", "a:b?q=a/b?c=d%26", { q: "a/b?c=d&" }],
    ["a:b{?q,limit}", "a:b?q=1&other=2", undefined],
    ["a:b{?q,limit}", "a:b?qq=1", undefined],
    ["a:b{?q,limit}", "a:b?q=1&", undefined],
    ["a:b{?q,limit}", "a:b?q=1#c", undefined],
    ["a:b{?q}{#part}", "a:b?q=1#c", { q: "1", part: "c" }],
    ["a:b{?q}", "a:b?q=1&q=2", { q: ["1", "2"] }],
    ["a:b?fixed=1{&x}", "a:b?fixed=1&x=2", { x: "2" }],
    ["a:b?fixed=1{&x}", "a:b?fixed=1", {}],
    // Level 4
    ["a:{x:3}", "a:abc", { x: "abc" }],
    ["a:{x:3}", "a:abcd", undefined],
    ["a:{x:3}", "a:%C3%BCb%20", { x: "üb " }],
    ["a:{x:3}", "a:🦊🦊🦊", { x: "🦊🦊🦊" }],
    ["a:{x:3}", "a:🦊🦊🦊🦊", undefined],
    ["a:{x:2}{y}", "a:abcd", { x: "ab", y: "cd" }],
    ["a:{x*}", "a:1,2,3", { x: ["1", "2", "3"] }],
    ["a:{x*}", "a:1", { x: ["1"] }],
    ["a:{x*}", "a:1,,3", undefined],
    ["a:b{/path*}", "a:b/1/2/3", { path: ["1", "2", "3"] }],
    ["a:b{/path*}", "a:b/1//3", undefined],
    ["a:b{/path*}", "a:b/1/", undefined],
    ["a:b{/path*}/end", "a:b/1/end/end", { path: ["1", "end"] }],
    ["a:b{.x*}", "a:b.1.2", { x: ["1", "2"] }],
    ["a:{+x*}", "a:1/2,3", { x: ["1/2", "3"] }],
    ["a:b{#x*}", "a:b#1,2", { x: ["1", "2"] }],
    ["a:b{?list*}", "a:b?list=1&list=2", { list: ["1", "2"] }],
    ["a:b{?list*}", "a:b?list=1", { list: ["1"] }],
    ["a:b{?map*}", "a:b?k%20=v&l=%26w", { map: ["k =v", "l=&w"] }],
    ["a:b{?q,map*}", "a:b?k=v&q=1", { q: "1", map: ["k=v"] }],
    ["a:b{?map*}", "a:b?=v", undefined],
  ] satisfies [string, string, Values | undefined][]
) {
  const says = values === undefined ? "does not give" : `gives with ${JSON.stringify(values)}`;
  Deno.test(`"${template}" ${says} "${uri}"`, () => {
    assertEquals(matchVariables(parsed(template), uri), values);
  });
  Deno.test(`"${template}" is ${values === undefined ? "not " : ""}the template of "${uri}"`, () => {
    assertEquals(matchUri(parsed(template), uri), values !== undefined);
  });
}

for (
  const text of [
    "a:{",
    "a:}",
    "a:{}",
    "a:{x",
    "a:x}",
    "a:{{x}}",
    "a:{x}}",
    "a:{x{y}}",
    "a:{ x}",
    "a:{x,}",
    "a:{,x}",
    "a:{x:}",
    "a:{x:0}",
    "a:{x:10000}",
    "a:{x:-1}",
    "a:{x*:3}",
    "a:{x**}",
    "a:{=x}",
    "a:{|x}",
    "a:{!x}",
    "a:{@x}",
    "a:{$x}",
    "a:{++x}",
    "a:{x.}",
    "a:{.}",
    "a:{x..y}",
    "a:{%}",
    "a:{%zz}",
    "a:{ü}",
    "a:{x\n}",
    "{x}".repeat(LIMITS.uriTemplateParts + 1),
    `a:{?${"x,".repeat(LIMITS.uriTemplateVariables)}x}`,
    "a".repeat(LIMITS.uriTemplateChars + 1),
  ]
) {
  Deno.test(`${JSON.stringify(text.slice(0, 40))} is no template`, () => {
    assertEquals(parseUriTemplate(text), undefined);
  });
}

Deno.test("a template names its variables in order, each once", () => {
  assertEquals(parsed("a:{x}/{+y,x}{?z*}{#w:3}").variables, ["x", "y", "z", "w"]);
});

Deno.test("a template keeps its text", () => {
  assertEquals(parsed("a:{x}").text, "a:{x}");
});

Deno.test("more literal text goes first, then fewer and narrower variables", () => {
  const texts = [
    "a:b/c/{x}",
    "a:b/{x}",
    "a:b/{x:3}",
    "a:b/{x}{y}",
    "a:b/{+x}",
    "a:b/{x*}",
    "a:b/{x}{y}{z}",
    "a:b/{x}{+y}{?z}{#w}",
    "a:{x}",
    "a:{+x}",
    "{+x}",
  ];
  const sorted = texts.toReversed().sort((a, b) => specificity(parsed(b)) - specificity(parsed(a)));
  const ranks = (list: readonly string[]) => list.map((text) => specificity(parsed(text)));
  assertEquals(ranks(sorted), ranks(texts));
});

Deno.test("no number of variables outweighs one literal character", () => {
  const wide = parsed(`a:b{?${"x,".repeat(LIMITS.uriTemplateVariables - 1)}x}`);
  assertEquals(specificity(wide) > specificity(parsed("a:{x}")), true);
});

Deno.test("a URI over the bound matches nothing, even what takes everything", () => {
  const uri = "a".repeat(LIMITS.uriChars);
  assertEquals([uri, `${uri}a`].map((text) => matchUri(parsed("{+x}"), text)), [true, false]);
});

Deno.test("a URI that only encoding makes too long matches nothing", () => {
  assertEquals(matchUri(parsed("{+x}"), "ü".repeat(LIMITS.uriChars / 2)), false);
});

Deno.test("a URI of lone surrogates is matched without a failure", () => {
  assertEquals(matchVariables(parsed("a:{x}"), "a:\ud83e"), { x: "\ufffd" });
});

const ALPHABET = "a=,./?&#;";
const WORDS = words(ALPHABET, 4);

/** What each template takes, as a regular expression; slow ones are fine for short texts. */
const EQUIVALENTS: readonly [string, string][] = [
  ["{x}", "[^/?#]+"],
  ["{+x}", ".+"],
  ["{x}{y}", "[^/?#]{2,}"],
  ["{x}.{y}", "[^/?#]+\\.[^/?#]+"],
  ["{x,y}", "[^/?#]+,[^/?#]+"],
  ["{x*}", "[^/?#,]+(,[^/?#,]+)*"],
  ["{+x*}", "[^,]+(,[^,]+)*"],
  ["{x:2}", "[^/?#]{1,2}"],
  ["{x:1}{y:2}", "[^/?#]{2,3}"],
  ["{/x}", "/[^/?#]+"],
  ["{/x*}", "(/[^/?#]+)+"],
  ["{/x*}{y}", "(/[^/?#]+)+[^/?#]+"],
  ["{.x*}", "(\\.[^./?#]+)+"],
  ["{.x,y}", "\\.[^/?#]+\\.[^/?#]+"],
  ["{#x}", "(#.*)?"],
  ["a{#x}{#y}", "a(#.*)?"],
  ["{x}{#y}", "[^/?#]+(#.*)?"],
  ["{#x}a", "(#.*)?a"],
  ["{?a}", "(\\?a(=[^&#]*)?(&a(=[^&#]*)?)*)?"],
  ["{?a}{#b}", "(\\?a(=[^&#]*)?(&a(=[^&#]*)?)*)?(#.*)?"],
  ["{&a}", "(&a(=[^&#]*)?)*"],
  ["a{&a}=", "a(&a(=[^&#]*)?)*="],
  ["{+x}aa{+y}", ".+aa.+"],
  ["{+x}a.a{#y}", ".+a\\.a(#.*)?"],
  ["{+x}.a.{y}", ".+\\.a\\.[^/?#]+"],
  ["{;a}", "(;a(=[^;#/?]*)?)*"],
  ["{;a}/{x}", "(;a(=[^;#/?]*)?)*/[^/?#]+"],
  ["{?a*}", "(\\?[^=&#?]+(=[^&#]*)?(&[^=&#?]+(=[^&#]*)?)*)?"],
];

for (const [template, pattern] of EQUIVALENTS) {
  Deno.test(`"${template}" takes exactly the short texts of ${pattern}`, () => {
    const own = parsed(template);
    const regExp = new RegExp(`^(?:${pattern})$`);
    assertEquals(WORDS.filter((word) => matchUri(own, word) !== regExp.test(word)), []);
  });
}

Deno.test("whatever matches gives values, and whatever gives values matches", () => {
  const differing = EQUIVALENTS.flatMap(([template]) => {
    const own = parsed(template);
    return WORDS.filter((word) =>
      matchUri(own, word) !== (matchVariables(own, word) !== undefined)
    );
  });
  assertEquals(differing, []);
});

Deno.test("values put into their template again give the URI that they were read from", () => {
  const templates = [
    "{x}",
    "a{+x}",
    "{x}.{y}",
    "{x,y}",
    "{x*}",
    "{/x*}",
    "{.x,y}",
    "{x}{y}",
    "{x:2}{y}",
  ];
  const differing = templates.flatMap((template) =>
    WORDS.flatMap((word) => {
      const values = matchVariables(parsed(template), word);
      const again = values === undefined ? word : filledIn(template, values);
      return again === word ? [] : [`${template}: ${word} became ${again}`];
    })
  );
  assertEquals(differing, []);
});

// What follows would run for longer than the universe exists where matching tries again. The
// variables that repeat fit the whole text, in very many ways; only its start does not.
for (
  const [repeated, piece] of [
    ["{/x*}", "/a"],
    ["{x*}", "a,"],
    ["{.x*}", ".a"],
    ["{x}", "a"],
    ["{+x}", "a"],
    ["{+x*}", "a"],
    ["{+x}a", "a"],
    ["{+x}ab{+y}", "ab"],
    [`{+x}${"a".repeat(60)}`, "a"],
    ["{x:9999}", "%C3%BC"],
    ["{?a*}", "?a=&a"],
    ["{?a*}", "?"],
    ["{?a*}{#b}", "?a#"],
    ["{&a,b}", "&a=1&b"],
    ["{;a*}", ";a"],
    ["{#x}", "#"],
  ] satisfies [string, string][]
) {
  Deno.test(`many "${repeated}" are done with a long text of "${piece}"`, () => {
    const template = parsed(`{a:1}!${repeated.repeat(5)}`);
    const uri = piece.repeat(LIMITS.uriChars).slice(0, LIMITS.uriChars);
    assertEquals(matchVariables(template, uri), undefined);
  });
}

function parsed(text: string): UriTemplate {
  const template = parseUriTemplate(text);
  if (template === undefined) throw new Error(`"${text}" was not taken for a template`);
  return template;
}

/** For variables whose values need no encoding. */
function filledIn(template: string, values: Values): string {
  return template.replace(/\{([+./]?)([^}]+)\}/g, (_, operator: string, list: string) => {
    const separator = /[./]/.test(operator) ? operator : ",";
    const items = list.split(",").map((spec) => values[spec.replace(/\*|:\d+/, "")]!);
    const text = items.map((item) => typeof item === "string" ? item : item.join(separator));
    return (operator === "+" ? "" : operator) + text.join(separator);
  });
}

/** Every word over these letters, up to a length. */
function words(letters: string, lengthMax: number): readonly string[] {
  const all = [""];
  for (let at = 0; all[at]!.length < lengthMax; at++) {
    for (const letter of letters) all.push(all[at]! + letter);
  }
  return all;
}
