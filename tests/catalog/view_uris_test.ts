/**
 * Who owns a URI, against the rule said plainly: in the order in which they were found, each has its
 * own name if nobody has it yet, or its alias.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { urisOf } from "../../src/catalog/view_uris.ts";
import type { Item } from "../../src/domain/item.ts";
import { atOnce } from "../../src/platform/pace.ts";
import { anItem } from "../support/catalog_rows.ts";
import { seeded } from "../support/seeded.ts";

/** Names in the view, by server and URI. */
function plainly(items: readonly Item[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  const names = new Map<string, string>();
  const found = [...items].sort((a, b) => a.foundMs - b.foundMs || (a.id < b.id ? -1 : 1));
  for (const item of found) {
    const { upstreamName, exposedName } = item;
    const owner = ownerOf(item);
    if (names.has(owner)) continue;
    const isFree = (uri: string) => (owners.get(uri) ?? owner) === owner;
    let name = upstreamName;
    for (let n = 1; !isFree(name); n++) name = n === 1 ? exposedName : `${exposedName}-${n}`;
    owners.set(name, owner);
    names.set(owner, name);
  }
  return names;
}

function ownerOf({ upstreamId, upstreamName }: Item): string {
  return `${upstreamId} ${upstreamName}`;
}

const ROUNDS = 500;
const URIS = ["a", "b", "a#s1", "a#s2", "b#s0", "a#s1-2"];

Deno.test("each URI has the name that the rule gives it, in whatever order items stand", () => {
  const { below, pick } = seeded("view URIs");
  for (let round = 0; round < ROUNDS; round++) {
    const items = Array.from({ length: 2 + below(30) }, (_, i) => {
      const [upstreamId, upstreamName] = [`s${below(4)}`, pick(URIS)];
      return anItem(`i${i}`, {
        kind: pick(["resource", "template"]),
        upstreamId,
        upstreamName,
        exposedName: `${upstreamName}#${upstreamId}`,
        foundMs: below(5),
      });
    });
    const { nameOf } = atOnce(urisOf(items));
    const plain = plainly(items);
    for (const item of items) assertEquals(nameOf(item), plain.get(ownerOf(item)));
  }
});

Deno.test("what stands for an alias of a template has the same behind it", () => {
  const items = ["s0", "s1"].map((upstreamId, foundMs) =>
    anItem(upstreamId, {
      kind: "template",
      upstreamId,
      upstreamName: "a://{x}",
      exposedName: `a://{x}#${upstreamId}`,
      foundMs,
    })
  );
  const { renamed } = atOnce(urisOf(items));
  assertEquals([renamed("s0", "a://1"), renamed("s1", "a://1")], [undefined, "a://1#s1"]);
});
