/**
 * Ids across the gateway: a server's questions find their way back, and no id of a client is taken
 * for one of the gateway's own.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { scanJson } from "../../../src/mcp/json_scan.ts";
import { type ClientMessage, decodeClientMessage } from "../../../src/mcp/message.ts";
import {
  answerFor,
  cancelledKey,
  idKey,
  notificationFor,
  ownId,
  questionOf,
  toClient,
  upstreamIdOf,
  withId,
} from "../../../src/mcp/session/reverse.ts";
import { scanUpstream, sortMembers } from "../../../src/mcp/upstream_message.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";

const SERVER = "files";
/** Which of its sessions. */
const EPOCH = 3;
const LOOSE = { depth: 64, nodes: 1_000, keyBytes: 1_000, uniqueNames: true };

/** Ids that a server may choose, as JSON texts. */
const SERVER_IDS = [
  "0",
  "7",
  "-7",
  "-0",
  "1e2",
  "1.5",
  "9007199254740993",
  "123456789012345678901234567890",
  '""',
  '"7"',
  '"a:b:c"',
  '"sallyport:files:7"',
  '"größe \\u2603 \\" \\\\ \\n \\/"',
  '"\\ud800"',
];

// ── Ids of clients, upstream ────────────────────────────────────────────────────────────────────

for (
  const id of [
    "0",
    "-1",
    "999999999999999",
    "9007199254740991",
    "-9007199254740991",
    '"a"',
    '""',
    '"9007199254740993"',
    '"Sallyport:x"',
    '"sallyport"',
    '" sallyport:x"',
    '"\\u00e9"',
    '"a\\/b"',
  ]
) {
  Deno.test(`the client's id ${id} goes upstream as it is`, () => {
    assertEquals(sentId(id), id);
  });
}

for (
  const [id, expected] of [
    ['"sallyport:x"', '"sallyport:~sallyport:x"'],
    ['"sallyport:"', '"sallyport:~sallyport:"'],
    ['"sallyport:~x"', '"sallyport:~sallyport:~x"'],
    ['"sallyport:files:7"', '"sallyport:~sallyport:files:7"'],
    ['"\\u0073allyport:x"', '"sallyport:~sallyport:x"'],
    ['"sallyport\\u003ax\\""', '"sallyport:~sallyport:x\\""'],
    ["9007199254740992", '"sallyport:~9007199254740992"'],
    ["-9007199254740993", '"sallyport:~-9007199254740993"'],
    ["123456789012345678901234567890", '"sallyport:~123456789012345678901234567890"'],
    ["-0", '"sallyport:~-0"'],
  ] as const
) {
  Deno.test(`the client's id ${id} goes upstream as ${expected}`, () => {
    assertEquals(sentId(id), expected);
  });
}

Deno.test("a server that reads numbers as floating point gives every id back", () => {
  for (const id of ["-0", "9007199254740991", "9007199254740993", "-9007199254740993", "12", "0"]) {
    const sent = sentId(id);
    assertEquals(JSON.stringify(JSON.parse(sent)), sent, id);
  }
});

Deno.test("different ids of a client stay different upstream", () => {
  const clients = [
    "9007199254740993",
    '"9007199254740993"',
    '"sallyport:~9007199254740993"',
    "9007199254740992",
    "-0",
    "0",
    '"-0"',
    '"sallyport:~-0"',
    '"sallyport:~"',
    '"sallyport:x"',
    '"sallyport:~sallyport:x"',
    '"x"',
  ];
  assertEquals(new Set(clients.map((id) => JSON.parse(sentId(id)))).size, clients.length);
});

for (const what of ["initialize", "level", "subscribe-0"]) {
  Deno.test(`no id of a client is taken for the gateway's own "${what}"`, () => {
    const own = ownId(what);
    const spellings = [JSON.stringify(own), `"\\u0073${own.slice(1)}"`];
    assertEquals(spellings.filter((id) => JSON.parse(sentId(id)) === own), []);
  });
}

for (
  const [one, other] of [
    ['"a"', '"\\u0061"'],
    ['"a/b"', '"a\\/b"'],
    ['"é"', '"\\u00e9"'],
    ['"\\n"', '"\\u000a"'],
    ['"\\ud83d\\ude00"', '"😀"'],
    ['"\\ud800"', '"\\uD800"'],
  ] as const
) {
  Deno.test(`${one} and ${other} are one id`, () => {
    assertEquals(idKey(bytesOf(one)), idKey(bytesOf(other)));
  });
}

for (
  const [one, other] of [
    ["1", '"1"'],
    ["9007199254740992", "9007199254740993"],
    ['"a"', '"A"'],
    ['"\\\\u0061"', '"a"'],
    ['"\\""', '""'],
  ] as const
) {
  Deno.test(`${one} and ${other} are two ids`, () => {
    assert(idKey(bytesOf(one)) !== idKey(bytesOf(other)));
  });
}

Deno.test("withId() changes the id, however its name is spelled, and nothing else", () => {
  const text = ' {"method":"ping", "\\u0069d" : 12 ,"params":{"id":12},"jsonrpc":"2.0"} ';
  const changed = withId(decodeClientMessage(bytesOf(text)), bytesOf('"n"'));
  assertEquals(textOf(changed), text.replace(": 12 ", ': "n" '));
});

// ── Questions of servers ────────────────────────────────────────────────────────────────────────

for (const id of SERVER_IDS) {
  Deno.test(`a question with the id ${id} names its server to the client`, () => {
    const { id: named } = JSON.parse(asked(id));
    assertEquals(named, `sallyport:${SERVER}:${EPOCH}:${id}`);
  });

  Deno.test(`the answer to it comes back with the id ${id}, as it was written`, () => {
    const result = '"result":{"roots":[ ]}';
    const reply = `{"jsonrpc":"2.0","id":${JSON.stringify(JSON.parse(asked(id)).id)},${result}}`;
    assertEquals(answered(reply), {
      server: SERVER,
      body: `{"jsonrpc":"2.0","id":${id},${result}}`,
    });
  });
}

Deno.test("the answer finds its way whatever way the client spells the id", () => {
  const reply =
    '{"id":"\\u0073allyport\\u003afiles:3:7","jsonrpc":"2.0","error":{"code":1,"message":""}}';
  const body = '{"id":7,"jsonrpc":"2.0","error":{"code":1,"message":""}}';
  assertEquals(answered(reply), { server: SERVER, body });
});

Deno.test("equal ids of two servers are two ids for the client", () => {
  const ids = [SERVER, "mail"].map((server) => JSON.parse(clientText(ask("7"), server)).id);
  assertEquals(ids, ["sallyport:files:3:7", "sallyport:mail:3:7"]);
});

for (
  const id of [
    undefined,
    null,
    7,
    "",
    "7",
    "files:7",
    "Sallyport:files:7",
    "sallyport",
    "sallyport:",
    "sallyport:files",
    "sallyport:files:",
    "sallyport:files:a",
    "sallyport:files:null",
    "sallyport:files:true",
    "sallyport:files:{}",
    "sallyport:files:[7]",
    "sallyport:files:7 ",
    "sallyport:files: 7",
    "sallyport:files:-",
    "sallyport:files:7,8",
    'sallyport:files:"a',
    'sallyport:files:a"',
    "sallyport:files:3:a",
    "sallyport:files:3:null",
    "sallyport:files:3:true",
    "sallyport:files:3:{}",
    "sallyport:files:3:[7]",
    "sallyport:files:3:7 ",
    "sallyport:files:3:-",
    "sallyport:files:3:7,8",
    'sallyport:files:3:a"',
    "sallyport:files:3:",
    "sallyport:files:3: 7",
    "sallyport:files:x:7",
    "sallyport:files:-1:7",
    "sallyport:files:7",
    "sallyport:initialize",
    "sallyport:~files:7x",
    "sallyport:~9007199254740993",
    "sallyport:~sallyport:files:7",
  ]
) {
  Deno.test(`${JSON.stringify(id)} is the id of no question`, () => {
    assertEquals(questionOf(id), undefined);
  });
}

// What stands behind the server's name goes upstream as JSON text.
for (
  const own of [
    '"x","method":"tools/call","params":{"name":"a"},"y":"z"',
    '"a"b"',
    '"a\\"',
    '"a\\x"',
    '"a\nb"',
    '"a\u0000b"',
    '"\\u12"',
    "007",
    "-",
    "1.",
    ".5",
    "--1",
  ]
) {
  Deno.test(`an id that is not JSON is that of no question: ${JSON.stringify(own)}`, () => {
    assertEquals(questionOf(`sallyport:${SERVER}:${EPOCH}:${own}`), undefined);
  });
}

Deno.test("an answer under a made-up id stays an answer", () => {
  const smuggled = '"x","method":"tools/call","params":{"name":"a"},"y":"z"';
  const id = JSON.stringify(`sallyport:${SERVER}:${EPOCH}:${smuggled}`);
  const sent = answered(`{"jsonrpc":"2.0","id":${id},"result":{}}`)?.body;
  assertEquals(Object.keys(JSON.parse(sent ?? "{}")).includes("method"), false, sent);
});

Deno.test("a progress token that was made up brings nothing with it", () => {
  const smuggled = '"x"},"method":"tools/call","params":{"name":"a","y":"z"';
  const progressToken = `sallyport:${SERVER}:${EPOCH}:${smuggled}`;
  const message = JSON.stringify({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken, progress: 1 },
  });
  const { body } = notified(message);
  assertEquals(JSON.parse(body).method, "notifications/progress", body);
});

for (const token of ["7", '"t"', '"a:b\\n"', "9007199254740993"]) {
  const question =
    `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?",` +
    `"_meta":{"a":1,"progressToken":${token}}}}`;
  const named = JSON.stringify(`sallyport:${SERVER}:${EPOCH}:${token}`);

  Deno.test(`the progress token ${token} of a question names its server`, () => {
    const expected = question.replace('"id":1', `"id":"sallyport:${SERVER}:${EPOCH}:1"`)
      .replace(`"progressToken":${token}`, `"progressToken":${named}`);
    assertEquals(clientText(question), expected);
  });

  Deno.test(`progress under it comes back with the token ${token}`, () => {
    const progress = (spelled: string) =>
      '{"jsonrpc":"2.0","method":"notifications/progress",' +
      `"params":{"progress":1, "progressToken":${spelled}}}`;
    assertEquals(notified(progress(named)), { server: SERVER, body: progress(token) });
  });
}

Deno.test("a progress token outside of _meta is none", () => {
  const text = '{"jsonrpc":"2.0","id":1,"method":"a","params":{"progressToken":7}}';
  assertEquals(clientText(text), text.replace('"id":1', `"id":"sallyport:${SERVER}:${EPOCH}:1"`));
});

Deno.test("a server takes a question back under the id that the client knows", () => {
  const text = (id: string) =>
    `{"jsonrpc":"2.0","method":"notifications\\/cancelled","params":{"reason":"x","requestId":${id}}}`;
  assertEquals(clientText(text('"q"')), text(JSON.stringify(`sallyport:${SERVER}:${EPOCH}:"q"`)));
});

for (
  const text of [
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}',
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"requestId":7,"data":"id"}}',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x"}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":[7]}',
    '{"jsonrpc":"2.0","method":"a","params":{"_meta":{"progressToken":7}}}',
  ]
) {
  Deno.test(`a server's notification stays as it is: ${text.slice(17, 90)}`, () => {
    assertEquals(clientText(text), text);
  });
}

// ── Notifications of clients ────────────────────────────────────────────────────────────────────

for (
  const [id, upstream] of [
    ["7", "7"],
    ['"a"', '"a"'],
    ['"sallyport:x"', '"sallyport:~sallyport:x"'],
    ['"\\u0073allyport:x"', '"sallyport:~sallyport:x"'],
    ["9007199254740993", '"sallyport:~9007199254740993"'],
  ] as const
) {
  Deno.test(`cancelling ${id} goes upstream under the id ${upstream}`, () => {
    const body = cancelling(id).replace(`"requestId":${id}`, `"requestId":${upstream}`);
    assertEquals(notified(cancelling(id)), { server: undefined, body });
  });
}

for (
  const text of [
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x"}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"sallyport:a"}}',
    '{"jsonrpc":"2.0","method":"notifications/roots/list_changed","params":{"requestId":"sallyport:x"}}',
  ]
) {
  Deno.test(`a client's notification stays as it is: ${text.slice(17, 90)}`, () => {
    assertEquals(notified(text), { server: undefined, body: text });
  });
}

Deno.test("a cancelled request has the key of the request, however it is spelled", () => {
  const key = cancelledKey(decoded(cancelling('"\\u0061"')));
  assertEquals(key, idKey(bytesOf('"a"')));
});

for (
  const text of [
    '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"_meta":{"requestId":1}}}',
  ]
) {
  Deno.test(`nothing is cancelled by ${text.slice(17)}`, () => {
    assertEquals(cancelledKey(decoded(text)), undefined);
  });
}

function sentId(id: string): string {
  return textOf(upstreamIdOf(bytesOf(id)))!;
}

function ask(id: string): string {
  return `{"jsonrpc":"2.0", "id":${id},"method":"roots/list"}`;
}

/** What a server said, as its client gets it. */
function clientText(text: string, server = SERVER): string {
  const bytes = bytesOf(text);
  const changed = toClient(bytes, sortMembers(bytes, scanUpstream(bytes).members), {
    server,
    epoch: EPOCH,
  });
  scanJson(changed, LOOSE);
  return textOf(changed)!;
}

/** A question with this id, as its client gets it. */
function asked(id: string): string {
  return clientText(ask(id));
}

/** What becomes of a client's answer; `undefined` when it answers no question. */
function answered(text: string) {
  const message = decoded(text);
  const question = questionOf(JSON.parse(textOf(message.id)!));
  if (question === undefined) return undefined;
  return { server: question.server, body: textOf(answerFor(message, question))! };
}

function notified(text: string) {
  const { question, body } = notificationFor(decoded(text));
  return { server: question?.server, body: textOf(body)! };
}

function cancelling(id: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id} }}`;
}

function decoded(text: string): ClientMessage {
  return decodeClientMessage(bytesOf(text));
}
