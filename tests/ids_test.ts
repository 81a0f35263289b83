/**
 * Every requirement of security.md that falls to this program has a test that names it.
 *
 * LIM-06, LIM-08 and LIM-09 are the front proxy's.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { readTests } from "./support/source_files.ts";

const LAST = { AUTHN: 22, PROXY: 8, SESS: 18, EVT: 11, LIM: 16 } as const;
const NOT_OURS: ReadonlySet<string> = new Set(["LIM-06", "LIM-08", "LIM-09"]);

const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;

Deno.test("every requirement of identity, sessions, events and limits is named by a test", async () => {
  const named = new Set<string>();
  for (const text of await readTests()) {
    const names = text.replace(COMMENT, "").matchAll(/\b[A-Z]+-\d\d\b/g);
    for (const [id] of names) named.add(id);
  }
  const required = Object.entries(LAST).flatMap(([kind, last]) =>
    Array.from({ length: last }, (_, i) => `${kind}-${String(i + 1).padStart(2, "0")}`)
  );
  assertEquals(required.filter((id) => !named.has(id) && !NOT_OURS.has(id)), []);
});
