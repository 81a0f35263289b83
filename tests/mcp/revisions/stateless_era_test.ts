/**
 * Which messages are of the stateless era, and what revision 2026-07-28 asks of them: envelope and
 * mirrors, checked in the order of the specification.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { ProtocolError } from "../../../src/domain/errors.ts";
import { decodeClientMessage } from "../../../src/mcp/message.ts";
import {
  checkStateless,
  decodeHeaderValue,
  encodeHeaderValue,
  isOfStatelessEra,
  type MirrorHeaders,
  nameHeaderOf,
} from "../../../src/mcp/revisions/stateless_era.ts";
import { bytesOf } from "../../support/bytes.ts";
import { envelope, type Message, MODERN_REVISION } from "../../support/modern.ts";

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
/** The same name, spelled with an escape. */
const ESCAPED_VERSION = VERSION.replace("V", "\\u0056");

interface Case {
  readonly method?: string;
  readonly params?: Message;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly headers?: Partial<MirrorHeaders>;
  readonly notification?: boolean;
}

for (
  const [what, good] of [
    ["a complete request", {}],
    ["a request without clientInfo", { meta: { [CLIENT_INFO]: undefined } }],
    ["a log level", { meta: { [LOG_LEVEL]: "warning" } }],
    ["unknown members of _meta", { meta: { "example.com/a": [1] } }],
    ["a notification that rests on its header", {
      notification: true,
      method: "notifications/cancelled",
      meta: { [VERSION]: undefined },
    }],
    ["a name in the Base64 form", call("größe", "=?base64?Z3LDtsOfZQ==?=")],
    ["a plain name in the Base64 form", call("a", "=?base64?YQ==?=")],
    ["resources/read mirrored by its URI", {
      method: "resources/read",
      params: { uri: "file:///a" },
      headers: { name: "file:///a" },
    }],
    ["tasks/get mirrored by its task", {
      method: "tasks/get",
      params: { taskId: "t-1" },
      headers: { name: "t-1" },
    }],
    ["a name header where the method has none", { headers: { name: "a" } }],
    ["Mcp-Param headers", { headers: { params: [["mcp-param-a", "b c ~"]] } }],
  ] satisfies [string, Case][]
) {
  Deno.test(`checkStateless() accepts ${what}`, () => check(good));
}

for (
  const [what, bad, rpcCode] of [
    ["a version that is no text", { meta: { [VERSION]: 20260728 } }, -32602],
    ["a version that is null", { meta: { [VERSION]: null } }, -32602],
    ["a header of this era without a version in _meta", { meta: { [VERSION]: undefined } }, -32602],
    ["no version header", { headers: { version: undefined } }, -32020],
    ["differing versions", { headers: { version: "2025-11-25" } }, -32020],
    ["an unknown version", version("2099-01-01"), -32022],
    ["a version of the session era", version("2025-11-25"), -32022],
    ["no capabilities", { meta: { [CAPABILITIES]: undefined } }, -32602],
    ["capabilities as a list", { meta: { [CAPABILITIES]: [] } }, -32602],
    ["clientInfo without version", { meta: { [CLIENT_INFO]: { name: "a" } } }, -32602],
    ["clientInfo null", { meta: { [CLIENT_INFO]: null } }, -32602],
    ["an unknown log level", { meta: { [LOG_LEVEL]: "loud" } }, -32602],
    ["a log level that is no text", { meta: { [LOG_LEVEL]: 1 } }, -32602],
    ["no method header", { headers: { method: undefined } }, -32020],
    ["another method header", { headers: { method: "tools/call" } }, -32020],
    ["a method header in other case", { headers: { method: "Tools/List" } }, -32020],
    ["no name header", call("a", undefined), -32020],
    ["another name header", call("a", "b"), -32020],
    ["a name header in other case", call("a", "A"), -32020],
    ["a name header without a name", {
      method: "tools/call",
      params: {},
      headers: { name: "a" },
    }, -32020],
    ["a name header that is badly encoded", call("a", "=?base64?YQ=?="), -32020],
    ["a name header that is not UTF-8", call("a", "=?base64?/w==?="), -32020],
    ["an Mcp-Param header outside ASCII", { headers: { params: [["mcp-param-a", "é"]] } }, -32020],
    ["a notification with another method header", {
      notification: true,
      meta: { [VERSION]: undefined },
      headers: { method: "a" },
    }, -32020],
  ] satisfies [string, Case, number][]
) {
  Deno.test(`checkStateless() answers ${what} with ${rpcCode} and 400`, () => {
    assertEquals(refusal(bad), { rpcCode, httpStatus: 400 });
  });
}

Deno.test("checkStateless() answers initialize with -32601 and 404", () => {
  assertEquals(refusal({ method: "initialize" }), { rpcCode: -32601, httpStatus: 404 });
});

Deno.test("a version that is not of this era is told which are", () => {
  const { data } = thrownBy(version("2025-06-18"));
  assertEquals(data, { supported: [MODERN_REVISION], requested: "2025-06-18" });
});

Deno.test("the version header is looked at before the envelope", () => {
  const bad = { meta: { [CAPABILITIES]: undefined }, headers: { version: undefined } };
  assertEquals(refusal(bad).rpcCode, -32020);
});

Deno.test("the envelope is looked at before the mirrors", () => {
  const bad = { meta: { [CAPABILITIES]: undefined }, headers: { method: undefined } };
  assertEquals(refusal(bad).rpcCode, -32602);
});

const INITIALIZE = { method: "initialize", params: { protocolVersion: "2025-11-25" } };
const CANCELLED = { method: "notifications/cancelled", notification: true };
const [CLAIMED, UNCLAIMED] = [{}, { meta: { [VERSION]: undefined } }];

for (
  const [what, header, one, expected] of [
    ["a claim with its header", MODERN_REVISION, CLAIMED, true],
    ["a claim without a header", undefined, CLAIMED, true],
    ["a claim beside a header of the session era", "2025-11-25", CLAIMED, true],
    ["a claim that is no text", undefined, { meta: { [VERSION]: 20260728 } }, true],
    ["a claim that is null", undefined, { meta: { [VERSION]: null } }, true],
    ["a claim of a revision that nobody knows", undefined, { meta: { [VERSION]: "2099" } }, true],
    ["a claim of an older revision", "2025-11-25", { meta: { [VERSION]: "2025-11-25" } }, true],
    ["initialize with a claim", undefined, INITIALIZE, true],
    ["a notification with a claim", undefined, CANCELLED, true],
    ["a header alone", MODERN_REVISION, UNCLAIMED, true],
    ["a notification with the header alone", MODERN_REVISION, { ...CANCELLED, ...UNCLAIMED }, true],
    ["neither claim nor header", undefined, UNCLAIMED, false],
    ["a header of the session era", "2025-06-18", UNCLAIMED, false],
    ["a header that nobody knows", "2099-01-01", UNCLAIMED, false],
    ["a notification with a header of the session era", "2025-11-25", {
      ...CANCELLED,
      ...UNCLAIMED,
    }, false],
    ["initialize without a claim", undefined, { ...INITIALIZE, ...UNCLAIMED }, false],
    ["initialize with the header alone", MODERN_REVISION, { ...INITIALIZE, ...UNCLAIMED }, false],
    ["an envelope without its version", undefined, {
      meta: { [VERSION]: undefined, [LOG_LEVEL]: "info" },
    }, false],
    ["a version in params", undefined, {
      params: { protocolVersion: MODERN_REVISION },
      ...UNCLAIMED,
    }, false],
  ] satisfies [string, string | undefined, Case, boolean][]
) {
  Deno.test(`isOfStatelessEra() is ${expected} for ${what}`, () => {
    assertEquals(isOfStatelessEra(messageOf(one), header), expected);
  });
}

for (
  const [text, expected] of [
    ['{"jsonrpc":"2.0","id":1,"method":"ping"}', false],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}', false],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}', false],
    [`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":"${VERSION}"}}`, false],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', false],
    [`{"jsonrpc":"2.0","id":1,"result":{"_meta":{"${VERSION}":"${MODERN_REVISION}"}}}`, false],
    [`{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"${ESCAPED_VERSION}":1}}}`, true],
  ] as const
) {
  Deno.test(`isOfStatelessEra() is ${expected} for ${text}`, () => {
    assertEquals(isOfStatelessEra(decodeClientMessage(bytesOf(text)), undefined), expected);
  });
}

for (
  const value of [
    "a",
    "a b",
    "größe",
    " a",
    "a ",
    "",
    "=?base64?YQ==?=",
    "a\tb",
    "\u{1d11e}",
    "é\n",
  ]
) {
  Deno.test(`${JSON.stringify(value)} survives being a header`, () => {
    assertEquals(decodeHeaderValue(encodeHeaderValue(value)), value);
  });

  Deno.test(`${JSON.stringify(value)} as a header is printable ASCII without outer space`, () => {
    assertEquals(/^(?:[!-~](?:[ -~]*[!-~])?)?$/.test(encodeHeaderValue(value)), true);
  });
}

Deno.test("a printable name is a header as it is", () => {
  assertEquals(encodeHeaderValue("file:///a b?c=d"), "file:///a b?c=d");
});

for (const value of ["=?base64?", "=?base64?YQ==", "=?base64?Y Q=?=", "=?base64?Y===?="]) {
  Deno.test(`decodeHeaderValue() refuses ${value}`, () => {
    assertThrows(() => decodeHeaderValue(value), { rpcCode: -32020 });
  });
}

Deno.test("nameHeaderOf() is the member that the method mirrors", () => {
  assertEquals(
    nameHeaderOf(messageOf({ method: "prompts/get", params: { name: "é" } })),
    "=?base64?w6k=?=",
  );
});

Deno.test("nameHeaderOf() is nothing for a method without one", () => {
  assertEquals(nameHeaderOf(messageOf({ params: { name: "a" } })), undefined);
});

function call(name: string, header: string | undefined): Case {
  return { method: "tools/call", params: { name }, headers: { name: header } };
}

function version(value: string): Case {
  return { meta: { [VERSION]: value }, headers: { version: value } };
}

function messageOf({ method = "tools/list", params, meta, notification }: Case) {
  const _meta = { ...envelope(), ...meta };
  const message = {
    jsonrpc: "2.0",
    id: notification ? undefined : 1,
    method,
    params: { ...params, _meta },
  };
  return decodeClientMessage(bytesOf(JSON.stringify(message)));
}

function check(one: Case): void {
  const message = messageOf(one);
  const { method } = message;
  const mirrors = { version: MODERN_REVISION, method, name: undefined, params: [], ...one.headers };
  checkStateless(message, mirrors);
}

function thrownBy(one: Case): ProtocolError {
  let thrown: unknown;
  assertThrows(() => check(one), (error) => {
    thrown = error;
    return error instanceof ProtocolError;
  });
  return thrown as ProtocolError;
}

function refusal(one: Case) {
  const { rpcCode, httpStatus } = thrownBy(one);
  return { rpcCode, httpStatus };
}
