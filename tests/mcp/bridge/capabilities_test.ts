/**
 * Capabilities from one era to the other, and what a question needs.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  declaredUpstream,
  missingOf,
  offeredDownstream,
  requiredFor,
} from "../../../src/mcp/bridge/capabilities.ts";
import type { JsonObject } from "../../../src/mcp/message.ts";

const UI = { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html"] } };
const TASKS = { "io.modelcontextprotocol/tasks": {} };

for (
  const [what, declared, told] of [
    ["nothing", {}, {}],
    ["roots", { roots: { listChanged: true } }, { roots: {} }],
    ["questions", { elicitation: { url: {} }, sampling: { tools: {} } }, {
      elicitation: { url: {} },
      sampling: { tools: {} },
    }],
    ["Apps", { extensions: UI }, { extensions: UI }],
    ["tasks", { extensions: TASKS, tasks: {} }, {}],
    ["what nobody knows", { x: {}, experimental: { y: {} } }, { experimental: { y: {} } }],
    ["what has no correct form", { roots: true, sampling: [], elicitation: null }, {}],
  ] as [string, JsonObject, JsonObject][]
) {
  Deno.test(`a client that declares ${what}: what a server of the session era is told`, () => {
    assertEquals(declaredUpstream(declared), told);
  });
}

Deno.test("tasks of a server of the session era are not offered, all else is", () => {
  const offered = { tools: { listChanged: true }, tasks: {}, extensions: { ...UI, ...TASKS } };
  assertEquals(offeredDownstream(offered), { tools: { listChanged: true }, extensions: UI });
});

for (
  const [method, params, declared, missing] of [
    ["elicitation/create", {}, { elicitation: {} }, undefined],
    ["elicitation/create", { mode: "form" }, { elicitation: { url: {} } }, {
      elicitation: { form: {} },
    }],
    ["elicitation/create", { mode: "url" }, { elicitation: {} }, { elicitation: { url: {} } }],
    ["elicitation/create", { mode: "url" }, { elicitation: { url: {} } }, undefined],
    ["sampling/createMessage", {}, { sampling: {} }, undefined],
    ["sampling/createMessage", { toolChoice: {} }, { sampling: {} }, { sampling: { tools: {} } }],
    ["sampling/createMessage", { tools: [] }, { sampling: { tools: {} } }, undefined],
    ["roots/list", {}, {}, { roots: {} }],
    ["roots/list", {}, { roots: {} }, undefined],
  ] as [string, JsonObject, JsonObject, JsonObject | undefined][]
) {
  const asked = `${method} ${JSON.stringify(params)}`;
  Deno.test(`for ${asked} a client with ${JSON.stringify(declared)} lacks exactly that`, () => {
    assertEquals(missingOf(requiredFor(method, params)!, declared), missing);
  });
}

Deno.test("no client can be asked for what the stateless era does not know", () => {
  assertEquals(requiredFor("tasks/list", {}), undefined);
});
