/**
 * Arguments that do not fit a tool's schema never reach its server, and the model is told what is
 * wrong; on a server's own endpoint nothing is checked.
 *
 * @module
 * @see contract.md, section 2, `VALIDATE_ARGUMENTS`
 */
import { deepStrictEqual as assertEquals, match } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import {
  aTool,
  type EraClient,
  inBothEras,
  type OpenEra,
  serveShelf,
  sessionless,
} from "../support/shelf_world.ts";

const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer", maximum: 7 } },
  required: ["city"],
  additionalProperties: false,
};

const OFFERS = {
  a: {
    tools: [
      aTool("strict", { inputSchema: SCHEMA }),
      aTool("slow", {
        inputSchema: { type: "object", properties: { x: { type: "string", pattern: "^(a+)+$" } } },
      }),
      aTool("proto", {
        inputSchema: { type: "object", required: ["constructor"], additionalProperties: false },
      }),
    ],
  },
};

type World = Awaited<ReturnType<typeof serveShelf>>;
let world: World;
let unchecked: World;
let off: World;

Deno.test.beforeAll(async () => {
  const servers = {
    v: { tools: ["*"], overrides: { tools: { "a-strict": { name: "weather" } } } },
  };
  const serve = (env: Readonly<Record<string, string>>) =>
    serveShelf(OFFERS, { servers, env: { SESSIONS_PER_PRINCIPAL: "1000", ...env } });
  [world, unchecked, off] = await Promise.all([
    serve({}),
    serve({ VALIDATE_ARGUMENTS: "false" }),
    serve({ USE_STATEFUL_SESSIONS: "false" }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const one of [world, unchecked, off]) await one?.[Symbol.asyncDispose]();
});

async function client(open: OpenEra, of: World, path = "/mcp"): Promise<EraClient> {
  for (const stand of Object.values(of.stands)) stand.reset();
  return await open(of, { path });
}

async function call(client: EraClient, name: string, args: unknown): Promise<Message> {
  const params = { name, arguments: args } as Message;
  return (await client.ask("tools/call", params)).result as Message;
}

function calls({ stands }: World): number {
  return stands.a!.requestsOf("tools/call").length;
}

const BAD: Readonly<Record<string, unknown>> = {
  "without what is required": {},
  "of a wrong type": { city: 7 },
  "beyond a bound": { city: "Rome", days: 8 },
  "with one too many": { city: "Rome", more: 1 },
  "with `__proto__`": JSON.parse('{"city":"Rome","__proto__":{"x":1}}'),
};

for (const [what, args] of Object.entries(BAD)) {
  inBothEras(`arguments ${what} do not reach the server`, async (open) => {
    await using one = await client(open, world);
    const result = await call(one, "a-strict", args);
    assertEquals([result?.isError, calls(world)], [true, 0]);
  });
}

inBothEras("arguments that fit reach the server as they are", async (open) => {
  await using one = await client(open, world);
  await call(one, "a-strict", { city: "Rome", days: 7 });
  const [seen] = world.stands.a!.requestsOf("tools/call");
  assertEquals(seen!.params.arguments, { city: "Rome", days: 7 });
});

inBothEras("the model is told what is wrong", async (open) => {
  await using one = await client(open, world);
  const { content } = await call(one, "a-strict", {});
  match(String((content as [Message])[0].text), /city/);
});

inBothEras(
  "arguments are checked on a virtual server, under the name given there",
  async (open) => {
    await using one = await client(open, world, "/servers/v/mcp");
    const result = await call(one, "weather", {});
    assertEquals([result.isError, calls(world)], [true, 0]);
  },
);

inBothEras("on a server's own endpoint arguments are its own affair", async (open) => {
  await using one = await client(open, world, "/servers/a/mcp");
  await call(one, "strict", {});
  assertEquals(calls(world), 1);
});

inBothEras("where checking is switched off, bad arguments reach the server", async (open) => {
  await using one = await client(open, unchecked);
  await call(one, "a-strict", { city: 7 });
  assertEquals(calls(unchecked), 1);
});

Deno.test("without sessions arguments are checked, too", async () => {
  await using one = await client(sessionless, off);
  const result = await call(one, "a-strict", {});
  assertEquals([result.isError, calls(off)], [true, 0]);
});

inBothEras("a pattern that takes for ever stalls nobody", async (open) => {
  await using one = await client(open, world);
  const started = call(one, "a-slow", { x: `${"a".repeat(50_000)}b` });
  const other = await call(one, "a-strict", { city: "Rome" });
  assertEquals(other.isError, undefined);
  await started;
});

inBothEras("what every object has is not what is required", async (open) => {
  await using one = await client(open, world);
  const result = await call(one, "a-proto", {});
  assertEquals([result.isError, calls(world)], [true, 0]);
});

for (const args of [null, 7, "x", []]) {
  inBothEras(`arguments that are ${JSON.stringify(args)} do not reach the server`, async (open) => {
    await using one = await client(open, world);
    await call(one, "a-strict", args);
    assertEquals(calls(world), 0);
  });
}
