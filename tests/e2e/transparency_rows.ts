/**
 * Requests of revision 2026-07-28 that must pass the gateway as if it were not there, and results
 * that a server may answer with.
 *
 * @module
 */
import { headerValue, modernBody, type ModernCall } from "../support/modern.ts";

export interface Row {
  readonly what: string;
  readonly call: ModernCall;
}

const NAMELESS = ["server/discover", "tools/list", "prompts/list", "resources/list"];
const TASK_NAME = headerValue("task ü 1");
const META = "io.modelcontextprotocol/";

/** Every method and every kind of member that a request may have. */
export const REQUESTS: readonly Row[] = [
  ...NAMELESS.map((method) => ({ what: method, call: { method } })),
  { what: "resources/templates/list", call: { method: "resources/templates/list" } },
  { what: "tools/call", call: echo({ a: 1, b: [true, null, ""], c: { d: {} } }) },
  { what: "tools/call without arguments", call: { params: { name: "test_simple_text" } } },
  { what: "a call with content of several kinds", call: tool("test_multiple_content_types") },
  { what: "a call that fails", call: tool("test_error_handling") },
  { what: "a call of an unknown tool", call: tool("no_such_tool") },
  { what: "a call that asks", call: tool("test_input_required_result_elicitation") },
  {
    what: "a call with an answer",
    call: {
      params: {
        name: "test_input_required_result_elicitation",
        inputResponses: { user_name: { action: "accept", content: { name: "Ada" } } },
      },
    },
  },
  {
    what: "a call with a forged requestState",
    call: { params: { name: "test_echo", arguments: {}, requestState: 'forged ü \\ " }' } },
  },
  { what: "prompts/get", call: prompt("test_simple_prompt") },
  {
    what: "prompts/get with arguments",
    call: {
      method: "prompts/get",
      params: { name: "test_prompt_with_arguments", arguments: { arg1: "é", arg2: "\u2028" } },
    },
  },
  { what: "prompts/get of an unknown prompt", call: prompt("no_such_prompt") },
  { what: "resources/read of a text", call: read("test://static-text") },
  { what: "resources/read of a picture", call: read("test://static-binary") },
  { what: "resources/read of an unknown resource", call: read("test://no-such-resource") },
  {
    what: "completion/complete",
    call: {
      method: "completion/complete",
      params: {
        ref: { type: "ref/prompt", name: "test_prompt_with_arguments" },
        argument: { name: "arg1", value: "pa" },
        context: { arguments: { arg2: "x" } },
      },
    },
  },
  ...["tasks/get", "tasks/update", "tasks/cancel"].map((method) => ({
    what: method,
    call: { method, params: { taskId: "task ü 1" }, headers: { "Mcp-Name": TASK_NAME } },
  })),
  { what: "a method of the session era", call: { method: "ping" } },
  { what: "an unknown method", call: { method: "example.com/anything", params: { a: [1] } } },
  { what: "an unknown list", call: { method: "skills/list" } },
  {
    what: "unknown members of _meta",
    call: {
      ...echo({}),
      meta: {
        "com.example/trace": { deep: [1, { a: null }] },
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=1",
        "baggage": "b=2",
      },
    },
  },
  {
    what: "unknown capabilities",
    call: {
      ...echo({}),
      meta: {
        [`${META}clientCapabilities`]: { "extensions": { "com.example/x": {} }, "new": { a: 1 } },
      },
    },
  },
  { what: "unknown members of params", call: { params: { name: "test_echo", future: [{}] } } },
  { what: "a log level", call: { ...tool("test_logging_tool"), meta: logLevel("info") } },
  {
    what: "a mirrored parameter",
    call: {
      params: { name: "test_x_mcp_header", arguments: { region: "eu-1" } },
      headers: { "Mcp-Param-Region": "eu-1" },
    },
  },
  {
    what: "a mirrored parameter in the Base64 form",
    call: {
      params: { name: "test_x_mcp_header", arguments: { region: "größer" } },
      headers: { "Mcp-Param-Region": "=?base64?Z3LDtsOfZXI=?=" },
    },
  },
  {
    what: "a mirrored parameter that disagrees",
    call: {
      params: { name: "test_x_mcp_header", arguments: { region: "eu-1" } },
      headers: { "Mcp-Param-Region": "us-1" },
    },
  },
  {
    what: "a mirrored parameter that nobody knows",
    call: { ...echo({}), headers: { "Mcp-Param-Tenant": "a, b" } },
  },
  { what: "a cursor", call: { method: "tools/list", params: { cursor: 'ü" \\ 🎈' } } },
  { what: "an empty cursor", call: { method: "tools/list", params: { cursor: "" } } },
  { what: "a name outside of ASCII", call: tool("größer 🎈") },
  { what: "a name with a space at its end", call: tool("test_echo ") },
  { what: "a name that looks encoded", call: tool("=?base64?YQ==?=") },
  ...['"a-b-c"', '""', "0", "-7", '"é\\"\\\\\\n"', "9007199254740991"].map((idText) => ({
    what: `the id ${idText}`,
    call: { ...echo({}), idText },
  })),
  // What JSON.parse and JSON.stringify would change.
  ...[
    "9007199254740993",
    "-123456789012345678901234567890",
    "1.0",
    "1e2",
    "1e400",
    "-0",
    "0.1000",
    '"\\u0041\\/\\ud83c\\udf88"',
    '"\\ud800"',
    "[1,  2 , 3]",
    "{ }",
    '{"b":1,"a":2,"1":3}',
    "\n\t[\r\n]",
  ].map((text) => ({ what: `the argument ${JSON.stringify(text)}`, call: echoOf(text) })),
  {
    what: "members in another order",
    call: {
      ...echo({}),
      body: `{"params":${paramsOf({ name: "test_echo", arguments: {} })},"method":"tools/call",` +
        `"id":1,"jsonrpc":"2.0"}`,
    },
  },
  {
    what: "names written with escapes",
    call: {
      ...echo({}),
      body: modernBody(echo({})).replace('"id"', '"\\u0069d"').replace('"_meta"', '"_\\u006deta"'),
    },
  },
  {
    what: "white space around everything",
    call: { ...echo({}), body: `\r\n ${modernBody(echo({})).replaceAll(":", " :\t")} \n` },
  },
  {
    what: "an unknown member beside params",
    call: { ...echo({}), body: modernBody(echo({})).replace(/\}$/, ',"future":{"a":1.0}}') },
  },
];

/** Results as JSON text. */
export const RESULTS: Readonly<Record<string, string>> = {
  "an empty result": "{}",
  "an unknown result type": '{"resultType":"task","task":{"taskId":"t","status":"working"}}',
  "unknown members": '{"resultType":"complete","content":[],"future":{"a":[{}]},"x":null}',
  "unknown content": '{"resultType":"complete","content":[{"type":"hologram","rays":[1.50]}]}',
  "an empty structuredContent": '{"resultType":"complete","content":[],"structuredContent":{}}',
  "structuredContent null": '{"resultType":"complete","content":[],"structuredContent":null}',
  "structuredContent that is a list": '{"content":[],"structuredContent":[1,"a"]}',
  "numbers that JavaScript changes": '{"content":[],"n":[1.0,1e400,-0,9007199254740993,1E+2]}',
  "escapes": '{"content":[],"s":"\\u0041\\/\\ud800\\u2028\\b"}',
  "characters outside of ASCII": '{"content":[],"s":"é\u2028🎈\u0085"}',
  "names that look like integers, out of order": '{"content":[],"o":{"2":1,"1":2,"a":3}}',
  "__proto__": '{"content":[],"o":{"__proto__":{"a":1},"constructor":{}}}',
  "a question": '{"resultType":"input_required","inputRequests":{"q":{"method":"roots/list"}},' +
    '"requestState":"ü\\u0000 = opaque"}',
  "only a state": '{"resultType":"input_required","requestState":"="}',
  "_meta": '{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"},"a/b":1.0}}',
  "a look-alike of an id": '{"content":[],"id":1,"progressToken":1,"_meta":{"progressToken":1}}',
  "a next cursor": '{"tools":[],"nextCursor":"ü \\u0041","ttlMs":1.0,"cacheScope":"public"}',
};

/** Errors as JSON text, with the HTTP status with which a server sends them. */
export const ERRORS: readonly (readonly [status: string, text: string])[] = [
  ["200 OK", '{"code":-32602,"message":"No such tool"}'],
  ["200 OK", '{"code":-32603,"message":"ü\\u0041","data":{"n":[1.0,1e400],"x":null}}'],
  ["200 OK", '{"code":1,"message":"","data":"text"}'],
  ["200 OK", '{"code":-32042,"message":"m","data":[],"future":true}'],
  ["400 Bad Request", '{"code":-32021,"message":"m","data":{"requiredCapabilities":{"roots":{}}}}'],
  ["400 Bad Request", '{"code":-32020,"message":"m","data":{"mismatch":{}}}'],
  ["400 Bad Request", '{"code":-32602,"message":"m"}'],
  ["404 Not Found", '{"code":-32601,"message":"Method not found"}'],
];

function tool(name: string): ModernCall {
  return { params: { name, arguments: {} } };
}

function echo(args: NonNullable<ModernCall["params"]>): ModernCall {
  return { params: { name: "test_echo", arguments: args } };
}

function prompt(name: string): ModernCall {
  return { method: "prompts/get", params: { name } };
}

function read(uri: string): ModernCall {
  return { method: "resources/read", params: { uri } };
}

function echoOf(text: string): ModernCall {
  const body = modernBody(echo({})).replace('"arguments":{}', `"arguments":{"odd":${text}}`);
  return { ...echo({}), body };
}

function logLevel(level: string) {
  return { [`${META}logLevel`]: level };
}

function paramsOf(params: NonNullable<ModernCall["params"]>): string {
  return /"params":(\{.*\})\}$/s.exec(modernBody({ params }))![1]!;
}
