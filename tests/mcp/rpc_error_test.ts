/**
 * Failures as JSON-RPC messages: the codes of the contract, and no word too many.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ErrorCode, GatewayError, ProtocolError } from "../../src/domain/errors.ts";
import { errorResponse, failureResponse } from "../../src/mcp/rpc_error.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

const ID = bytesOf('"mine"');
const TOO_LATE = new GatewayError("upstream_timeout", "It took too long");

for (
  const [code, rpcCode, retryable] of [
    ["upstream_unavailable", -31001, true],
    ["unavailable", -31001, true],
    ["upstream_timeout", -31002, false],
    ["upstream_protocol", -31003, false],
    ["outcome_unknown", -31004, false],
    ["refused", -31005, false],
    ["forbidden", -31005, false],
    ["unauthenticated", -31005, false],
    ["internal", -32603, false],
    ["invalid_request", -32600, false],
    ["not_found", -32600, false],
    ["too_large", -32600, false],
  ] satisfies [ErrorCode, number, boolean][]
) {
  Deno.test(`${code} is ${rpcCode}, ${retryable ? "" : "not "}retryable`, () => {
    const message = read(errorResponse(ID, new GatewayError(code, "Said so"), "c-1"));
    assertEquals(message.error, {
      code: rpcCode,
      message: "Said so",
      data: { retryable, correlationId: "c-1" },
    });
  });
}

Deno.test("an error is the response to the id, as it was written", () => {
  const response = errorResponse(bytesOf("90071992547409931"), new Error("a"), "c-1");
  assert(textOf(response)!.startsWith('{"jsonrpc":"2.0","id":90071992547409931,"error":'));
});

Deno.test("a protocol error keeps code, message and data", () => {
  const error = new ProtocolError(-32022, 400, "Not spoken", { supported: ["a"] });
  const expected = { code: -32022, message: "Not spoken", data: { supported: ["a"] } };
  assertEquals(read(errorResponse(ID, error, "c-1")).error, expected);
});

Deno.test("a protocol error without data names the correlation id", () => {
  const { error } = read(errorResponse(ID, new ProtocolError(-32601, 404, "None"), "c-1"));
  assertEquals(error.data, { correlationId: "c-1" });
});

for (const thrown of [new TypeError("secret at 10.0.0.1"), "secret", { secret: 1 }, undefined]) {
  Deno.test(`an unexpected ${typeof thrown} says no more than that it happened`, () => {
    const { error } = read(errorResponse(ID, thrown, "c-1"));
    assertEquals([error.code, error.message], [
      -32603,
      "The gateway failed to handle the request",
    ]);
  });
}

Deno.test("a cause is never shown", () => {
  const cause = new Error("secret");
  const error = new GatewayError("upstream_unavailable", "Not reached", { cause });
  assert(!textOf(errorResponse(ID, error, "c-1"))!.includes("secret"));
});

Deno.test("a failure of tools/call is a result that the model can read", () => {
  assertEquals(read(failureResponse(ID, "tools/call", TOO_LATE, "c-1")).result, {
    content: [{ type: "text", text: "It took too long" }],
    isError: true,
    _meta: { "dev.sallyport/failure": { code: -31002, retryable: false, correlationId: "c-1" } },
  });
});

Deno.test("that result says that it is complete where the client's era wants to know", () => {
  const more = { resultType: "complete" } as const;
  const plain = read(failureResponse(ID, "tools/call", TOO_LATE, "c-1")).result;
  const { result } = read(failureResponse(ID, "tools/call", TOO_LATE, "c-1", more));
  assertEquals(result, { ...plain, resultType: "complete" });
});

Deno.test("an error has no result type, whatever the client's era", () => {
  const more = { resultType: "complete" } as const;
  const plain = failureResponse(ID, "tools/list", TOO_LATE, "c-1");
  assertEquals(failureResponse(ID, "tools/list", TOO_LATE, "c-1", more), plain);
});

Deno.test("a protocol error stays one on tools/call", () => {
  const error = new ProtocolError(-32602, 400, "Wrong");
  assertEquals(read(failureResponse(ID, "tools/call", error, "c-1")).error.code, -32602);
});

for (const method of ["tools/list", "resources/read", "prompts/get", "server/discover"]) {
  Deno.test(`a failure of ${method} is a JSON-RPC error`, () => {
    const error = new GatewayError("upstream_protocol", "Broken");
    assertEquals(read(failureResponse(ID, method, error, "c-1")).error.code, -31003);
  });
}

function read(bytes: Uint8Array) {
  return JSON.parse(textOf(bytes)!);
}
