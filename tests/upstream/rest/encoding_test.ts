/**
 * TOOL-09: what an API gets of each argument, byte for byte, in each place.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import { valuesOf } from "../client_world.ts";
import { openRestWorld } from "./rest_world.ts";
import rows from "../../../fixtures/rest/encoding.json" with { type: "json" };

for (const { what, value, ...expected } of rows) {
  const shown = JSON.stringify(value);
  Deno.test(`TOOL-09: ${what} (${shown}) in a path`, async () => {
    const target = await targetOf({ url: "/v1/users/{x}/posts" }, value);
    assertEquals(target, expected.path === null ? null : `/v1/users/${expected.path}/posts`);
  });
  Deno.test(`TOOL-09: ${what} (${shown}) in a query`, async () => {
    const target = await targetOf({ url: "/v1/users?tenant=1" }, value);
    assertEquals(target, expected.query === null ? null : `/v1/users?tenant=1&x=${expected.query}`);
  });
  Deno.test(`TOOL-09: ${what} (${shown}) in a template in a query`, async () => {
    const target = await targetOf({ url: "/v1/users?x={x}&tenant=1" }, value);
    assertEquals(target, expected.query === null ? null : `/v1/users?x=${expected.query}&tenant=1`);
  });
  Deno.test(`TOOL-08: ${what} (${shown}) in a header`, async () => {
    const sent = await sentBy({ parameters: [{ name: "x", in: "header", as: "X-Own" }] }, value);
    const lines = sent && [valuesOf(sent.head, "x-own")[0], valuesOf(sent.head, "x-admin").length];
    assertEquals(lines, expected.header === null ? null : [expected.header, 0]);
  });
  Deno.test(`${what} (${shown}) in a JSON body`, async () => {
    const sent = await sentBy({ method: "POST" }, value);
    assertEquals(JSON.parse(textOf(sent!.body)), { x: expected.body });
  });
  Deno.test(`TOOL-09: ${what} (${shown}) in a form`, async () => {
    const tool = { method: "POST", parameters: [{ name: "x", in: "form" }] } as const;
    const sent = await sentBy(tool, value);
    assertEquals(sent && sent.body, expected.form === null ? null : `x=${expected.form}`);
  });
}

/** Half a character stands in no JSON file that a formatter takes. */
for (const place of ["path", "query", "header", "form"] as const) {
  Deno.test(`half a character is not sent in a ${place}`, async () => {
    const tool: Partial<RestTool> = { method: "POST", parameters: [{ name: "x", in: place }] };
    assertEquals(await sentBy({ ...tool, url: place === "path" ? "/{x}" : "/" }, "\ud800"), null);
  });
}

async function targetOf(tool: Partial<RestTool>, value: unknown): Promise<string | null> {
  const sent = await sentBy(tool, value);
  return sent && /^GET (\S*) HTTP\/1\.1\r\n/.exec(sent.head)![1]!;
}

/** The server by hand gives bytes as characters. */
function textOf(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

/** The request that the server got, or `null` when the argument was refused before. */
async function sentBy(tool: Partial<RestTool>, x: unknown) {
  await using world = openRestWorld();
  const code = await world.call(tool, { x }).then(() => undefined, (error) => error.code);
  const { requests } = world.server;
  assertEquals(requests.length, code === "invalid_params" ? 0 : 1);
  return requests[0] ?? null;
}
