/**
 * TOOL-09, with arguments that nobody thought of: whatever they are, the request is for the same
 * place, and the API reads what was meant.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { compileRequest } from "../../../src/upstream/rest/request.ts";
import { seeded } from "../../support/seeded.ts";
import { aTool } from "./rest_world.ts";

const ORIGIN = "https://api.example.com:8443";
const PIECES = [
  ..."./\\?#;:@&=+%, '\"<>{}[]|^`~!$()*-_aZ0\r\n\t\0é🦊．／\u2028\u202e".match(/./gsu)!,
  ...["..", "%2e", "%2f", "%5c", "//", "http://", "%00", "%0d%0a", "{b}", "{a}"],
];
const TEXTS = 5_000;

Deno.test("TOOL-09: no argument changes scheme, host, port, path prefix, or another argument", () => {
  const { pick, below } = seeded("arguments of REST tools");
  const request = compileRequest(
    aTool({ url: `${ORIGIN}/v1/users/{a}/files/x{b}.txt?fixed=1&c={c}` }),
    new Set(),
  );
  for (let i = 0; i < TEXTS; i++) {
    const [a, b, c, d] = Array.from(
      { length: 4 },
      () => Array.from({ length: 1 + below(6) }, () => pick(PIECES)).join(""),
    );
    if (/^\.{1,2}$/.test(a!)) continue;
    const { target } = request({ a, b, c, d });
    const url = new URL(ORIGIN + target);
    assertEquals([url.origin, url.username, url.hash], [ORIGIN, "", ""]);
    const [, prefix, users, first, files, second, ...more] = url.pathname.split("/");
    assertEquals([prefix, users, files, more], ["v1", "users", "files", []]);
    assertEquals([first, second].map((text) => decodeURIComponent(text!)), [a, `x${b}.txt`]);
    assertEquals([...url.searchParams], [["fixed", "1"], ["c", c], ["d", d]]);
    assertEquals(`${url.pathname}${url.search}`, target);
  }
});
