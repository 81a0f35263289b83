/**
 * `Mcp-Param` headers against arguments, where no server looks at them.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Tools", "x-mcp-header"
 */
import assert from "node:assert/strict";
import { ProtocolError } from "../../src/domain/errors.ts";
import { createParamHeaders } from "../../src/mcp/param_headers.ts";
import type { Json } from "../support/modern.ts";
import { aCall } from "../support/upstream_calls.ts";

const DEFINITION = JSON.stringify({
  name: "t",
  inputSchema: {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      size: { type: "integer", "x-mcp-header": "Size" },
      deep: {
        type: "object",
        properties: { flag: { type: "boolean", "x-mcp-header": "Flag" } },
      },
    },
  },
});

type Headers = [string, string][];

function check(args: Json, headers: Headers, definition = DEFINITION): void {
  const { message } = aCall({ message: { params: { name: "t", arguments: args } } });
  const mirrors = { version: undefined, method: undefined, name: undefined };
  const params = headers.map(([name, value]) => [`mcp-param-${name}`, value] as const);
  createParamHeaders().check(message, { ...mirrors, params }, { definition });
}

for (
  const [what, args, headers] of [
    ["none of either", {}, []],
    ["equal texts", { region: "eu" }, [["region", "eu"]]],
    ["an encoded text", { region: "größe" }, [["region", "=?base64?Z3LDtsOfZQ==?="]]],
    ["a text that only begins like an encoded one", { region: "=?base64?x" }, [
      ["region", "=?base64?x"],
    ]],
    ["equal numbers", { size: 10 }, [["size", "10.0"]]],
    ["equal flags", { deep: { flag: false } }, [["flag", "false"]]],
    ["a null, which has no header", { region: null }, []],
    ["a header that no argument has", {}, [["other", "x"]]],
  ] as [string, Json, Headers][]
) {
  Deno.test(`${what}: fits`, () => check(args, headers));
}

for (
  const [what, args, headers] of [
    ["another text", { region: "eu" }, [["region", "us"]]],
    ["other capitals", { region: "eu" }, [["region", "EU"]]],
    ["no header", { region: "eu" }, []],
    ["no argument", {}, [["region", "eu"]]],
    ["another number", { size: 10 }, [["size", "1"]]],
    ["another flag", { deep: { flag: false } }, [["flag", "true"]]],
    ["a bad encoding", { region: "x" }, [["region", "=?base64?x?="]]],
    ["two headers", { region: "eu" }, [["region", "eu"], ["region", "eu"]]],
    ["an argument of the prototype", { deep: {} }, [["flag", "undefined"]]],
  ] as [string, Json, Headers][]
) {
  Deno.test(`${what}: -32020, 400`, () => {
    assert.throws(() => check(args, headers), (error) => {
      return error instanceof ProtocolError && error.rpcCode === -32020 && error.httpStatus === 400;
    });
  });
}

Deno.test("annotations that cannot be followed are not checked", () => {
  check({ region: "eu" }, [], DEFINITION.replace('"Region"', '"no token"'));
});

Deno.test("a tool that is not known is not checked", () => {
  const { message, headers } = aCall();
  createParamHeaders().check(message, headers, undefined);
});
