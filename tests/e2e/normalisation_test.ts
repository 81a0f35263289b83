/**
 * Results of every kind, as they reach clients: through all pairs of eras, and of the gateway's own
 * items; and what is no result is never an empty success.
 *
 * @module
 * @see fixtures/normalisation/README.md; contract.md, section 7, points 2 and 3
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import type { Json, Message } from "../support/modern.ts";
import { aResource, aTool, type EraClient, ERAS } from "../support/shelf_world.ts";

interface Case {
  readonly what: string;
  readonly method: string;
  readonly result: Message;
}

interface Cases {
  readonly results: readonly (Case & { readonly session?: Message })[];
  readonly own: readonly (Case & {
    readonly noun: string;
    readonly record: Message;
    readonly params: Message;
  })[];
  readonly failures: readonly { readonly what: string; readonly result: string }[];
}

const FILE = new URL("../../fixtures/normalisation/cases.json", import.meta.url);
const CASES: Cases = JSON.parse(Deno.readTextFileSync(FILE));
const SERVERS = ["session", "modern"] as const;
const PARAMS: Readonly<Record<string, (server: string) => Message>> = {
  "tools/call": (server) => ({ name: `${server}-t`, arguments: {} }),
  "prompts/get": (server) => ({ name: `${server}-p` }),
  "resources/read": (server) => ({ uri: `${server}://r` }),
};

let world: ApiWorld;
const clients = new Map<string, EraClient>();

Deno.test.beforeAll(async () => {
  const offer = (era: "session" | "modern") => ({
    era,
    tools: [aTool("t")],
    prompts: [{ name: "p" }],
    resources: [aResource(`${era}://r`)],
  });
  const declared = { session: offer("session"), modern: offer("modern") };
  world = await openApiWorld({ declared, env: { UNHEALTHY_THRESHOLD: "1000" } });
  for (const { noun, record } of CASES.own) await world.api.must("POST", `/${noun}`, record);
  for (const era of SERVERS) clients.set(era, await ERAS[era](world));
});

Deno.test.afterAll(async () => {
  for (const client of clients.values()) await client[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

for (const client of SERVERS) {
  for (const server of SERVERS) {
    const pair = `a client of the ${client} era, a server of the ${server} era`;
    for (const { what, method, result, session } of CASES.results) {
      Deno.test(`${method}: ${what} (${pair})`, async () => {
        world.stands[server]!.on(method, () => result);
        const reply = await clients.get(client)!.ask(method, PARAMS[method]!(server));
        const isNarrowed = client === "session" && server === "modern";
        assertEquals(plain(reply), isNarrowed ? session ?? result : result);
      });
    }
    for (const { what, result } of CASES.failures) {
      Deno.test(`${what} in place of a result is an error (${pair})`, async () => {
        for (const [method, paramsOf] of Object.entries(PARAMS)) {
          world.stands[server]!.on(method, () => result as Json);
          const reply = await clients.get(client)!.ask(method, paramsOf(server));
          const isError = (reply.result as Message | undefined)?.isError;
          assert(reply.error !== undefined || isError === true, JSON.stringify(reply));
        }
      });
    }
  }
  for (const { what, method, params, result } of CASES.own) {
    Deno.test(`${method} of the gateway's own: ${what} (${client})`, async () => {
      assertEquals(plain(await clients.get(client)!.ask(method, params)), result);
    });
  }
}

/** Without what the other era has besides, and who says it. */
function plain({ result, error }: Message): Message {
  if (result === undefined) throw new Error(JSON.stringify(error));
  const { resultType: _, ttlMs: _ttl, cacheScope: _scope, _meta: meta = {}, ...rest } =
    result as Message;
  const { "io.modelcontextprotocol/serverInfo": _info, ...own } = meta as Message;
  return Object.keys(own).length === 0 ? rest : { ...rest, _meta: own };
}
