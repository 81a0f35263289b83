/**
 * Event ids: what a client sends back resumes its own stream, and nothing else is taken.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import { createEventIds } from "../../../src/mcp/session/event_id.ts";
import { createSecretBox } from "../../../src/platform/secret_box.ts";

const SECRET = "a secret of this test, long enough";
const SESSION = "session key";
const STREAM = "AAECAwQFBgcICQoL";
const OTHER_STREAM = "AAECAwQFBgcICQoM";
const ALPHABET = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
/** Tags are made for this many numbers at once. */
const GROUP = 64;
const SEQS = [
  1,
  2,
  GROUP - 1,
  GROUP,
  GROUP + 1,
  2 * GROUP,
  1_000_000,
  2 ** 31,
  2 ** 32,
  2 ** 33 - 1,
];

const ids = createEventIds(createSecretBox(SECRET, "events"));
const idOf = ids.ofStream(SESSION, STREAM);
const GOOD = idOf(7);
const [TOKEN, SEQ, TAG] = GOOD.split(".") as [string, string, string];

for (const seq of [0, ...SEQS]) {
  Deno.test(`the id of event ${seq} names its stream and its number`, () => {
    assertEquals(ids.parse(SESSION, idOf(seq)), { stream: STREAM, seq });
  });
}

Deno.test("the ids of a stream may be asked for in any order", () => {
  const seqs = [500, 1, 64, 63, 500, 0, 65, 128, 127];
  assertEquals(seqs.map((seq) => ids.parse(SESSION, idOf(seq))?.seq), seqs);
});

Deno.test("an event has the same id whenever it is asked for", () => {
  const first = idOf(7);
  idOf(1_000);
  assertEquals(idOf(7), first);
});

Deno.test("ids are good after a restart with the same secret", () => {
  const later = createEventIds(createSecretBox(SECRET, "events"));
  assertEquals(later.parse(SESSION, GOOD), { stream: STREAM, seq: 7 });
});

Deno.test("an event has one id for ever: on another connection, and after a restart", () => {
  const later = createEventIds(createSecretBox(SECRET, "events"));
  assertEquals([ids.ofStream(SESSION, STREAM)(7), later.ofStream(SESSION, STREAM)(7)], [
    GOOD,
    GOOD,
  ]);
});

Deno.test("who reads a stream anew gives ids that are as good as those before", () => {
  const again = ids.ofStream(SESSION, STREAM);
  assertEquals(ids.parse(SESSION, again(7)), { stream: STREAM, seq: 7 });
});

Deno.test("an id is accepted as Last-Event-ID, and can stand in an event stream", () => {
  const longest = idOf(SEQS.at(-1)!);
  assert(longest.length <= LIMITS.lastEventIdChars, `${longest.length} characters`);
  assert.match(longest, /^[A-Za-z0-9._-]+$/);
});

Deno.test("EVT-01: an id says nothing about the stream and the session", () => {
  const text = decoded(TOKEN);
  assert(!GOOD.includes(STREAM) && !GOOD.includes(SESSION));
  assert(!text.includes(decoded(STREAM)) && !text.includes(SESSION));
});

Deno.test("no two events have the same id, over streams and groups of numbers", () => {
  const all = [STREAM, OTHER_STREAM, "____________----"].flatMap((stream) => {
    const each = ids.ofStream(SESSION, stream);
    return Array.from({ length: 5 * GROUP }, (_, seq) => each(seq));
  });
  assertEquals(new Set(all).size, all.length);
  assertEquals(new Set(all.map((id) => id.split(".")[2])).size, all.length);
});

// ── What was not made here for this session ─────────────────────────────────────────────────────

for (const session of ["another session", `${SESSION} `, SESSION.toUpperCase(), ""]) {
  Deno.test(`EVT-01, EVT-02: an id of the session "${SESSION}" is none of "${session}"`, () => {
    assertEquals(ids.parse(session, GOOD), undefined);
  });
}

for (
  const [what, box] of [
    ["another installation", createSecretBox(`${SECRET}!`, "events")],
    ["another purpose", createSecretBox(SECRET, "sessions")],
  ] as const
) {
  Deno.test(`an id of ${what} is refused`, () => {
    assertEquals(createEventIds(box).parse(SESSION, GOOD), undefined);
  });
}

Deno.test("EVT-01: with any character replaced by any other an id is refused", () => {
  const taken = [];
  for (let at = 0; at < GOOD.length; at++) {
    for (const character of [...ALPHABET, ".", "~", "=", "+", "/", " ", "\n", "\0", "é"]) {
      const changed = GOOD.slice(0, at) + character + GOOD.slice(at + 1);
      if (changed !== GOOD && ids.parse(SESSION, changed) !== undefined) taken.push(changed);
    }
  }
  assertEquals(taken, []);
});

Deno.test("EVT-01: with any character taken out or put in an id is refused", () => {
  const taken = [];
  for (let at = 0; at <= GOOD.length; at++) {
    for (const put of ["A", "0", "7", ".", "=", "\n"]) {
      const longer = GOOD.slice(0, at) + put + GOOD.slice(at);
      if (ids.parse(SESSION, longer) !== undefined) taken.push(longer);
    }
    const shorter = GOOD.slice(0, at) + GOOD.slice(at + 1);
    if (shorter !== GOOD && ids.parse(SESSION, shorter) !== undefined) taken.push(shorter);
  }
  assertEquals(taken, []);
});

Deno.test("EVT-01: an id with another number is refused, whichever it is", () => {
  const others = [0, 1, 6, 8, 7 + GROUP, 70, 77, 2 ** 32 + 7, ...SEQS];
  const taken = others.filter((seq) => ids.parse(SESSION, `${TOKEN}.${seq}.${TAG}`) !== undefined);
  assertEquals(taken, []);
});

for (const seq of ["07", "+7", "-7", "7.0", "7e0", " 7", "7 ", "", "0x7", "７", "9".repeat(10)]) {
  Deno.test(`"${seq}" is no number of an event`, () => {
    assertEquals(ids.parse(SESSION, `${TOKEN}.${seq}.${TAG}`), undefined);
  });
}

Deno.test("EVT-01: parts of ids of two streams make no id", () => {
  const [otherToken, , otherTag] = ids.ofStream(SESSION, OTHER_STREAM)(7).split(".");
  assertEquals(ids.parse(SESSION, `${otherToken}.${SEQ}.${TAG}`), undefined);
  assertEquals(ids.parse(SESSION, `${TOKEN}.${SEQ}.${otherTag}`), undefined);
});

Deno.test("EVT-01, EVT-02: parts of ids of two sessions make no id for either", () => {
  const [otherToken, , otherTag] = ids.ofStream("another session", STREAM)(8).split(".");
  for (const session of [SESSION, "another session"]) {
    assertEquals(ids.parse(session, `${otherToken}.7.${otherTag}`), undefined);
    assertEquals(ids.parse(session, `${TOKEN}.8.${TAG}`), undefined);
  }
});

Deno.test("the parts of an id in another order are none", () => {
  for (const parts of [[TAG, SEQ, TOKEN], [SEQ, TOKEN, TAG], [TOKEN, TAG, SEQ], [TOKEN, TAG]]) {
    assertEquals(ids.parse(SESSION, parts.join(".")), undefined);
  }
});

for (
  const [part, spellings] of [
    ["token", respelled(TOKEN).map((token) => `${token}.${SEQ}.${TAG}`)],
    ["tag", respelled(TAG).map((tag) => `${TOKEN}.${SEQ}.${tag}`)],
  ] as const
) {
  Deno.test(`another spelling of the same bytes in the ${part} is refused`, () => {
    assert(spellings.length > 0, "there is none");
    assertEquals(spellings.filter((id) => ids.parse(SESSION, id) !== undefined), []);
  });
}

for (
  const [what, id] of [
    ["nothing", ""],
    ["dots", ".."],
    ["an id with room around it", ` ${GOOD} `],
    ["an id with a line break behind it", `${GOOD}\n`],
    ["an id twice", `${GOOD}, ${GOOD}`],
    ["an id with padding", `${TOKEN}==.${SEQ}.${TAG}=`],
    ["an id in standard base64", `${"+/".repeat(27)}.${SEQ}.${TAG}`],
    ["a token that is too long", `${TOKEN.repeat(2)}.${SEQ}.${TAG}`],
    ["a megabyte", "A".repeat(1_000_000)],
    ["a megabyte of numbers", `${TOKEN}.${"1".repeat(1_000_000)}.${TAG}`],
  ] as const
) {
  Deno.test(`${what} is no id`, () => assertEquals(ids.parse(SESSION, id), undefined));
}

/** Other texts that stand for the same bytes: decoding ignores the bits that no byte needs. */
function respelled(text: string): string[] {
  const others = ALPHABET.map((last) => text.slice(0, -1) + last);
  return others.filter((other) => other !== text && decoded(other) === decoded(text));
}

function decoded(text: string): string {
  return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
}
