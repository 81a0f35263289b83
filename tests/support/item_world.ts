/**
 * A gateway with one public server, of which one tool, prompt, resource and template each are shown to
 * the team red only.
 *
 * @module
 */
import { type Api, openApi } from "./api_client.ts";
import type { Message } from "./modern.ts";
import type { Stand } from "./shelf_server.ts";
import { aResource, aTemplate, aTool, serveShelf, type ShelfWorld } from "./shelf_world.ts";
import { haveTeams } from "./teams.ts";
import { mintToken } from "./tokens.ts";
import { until } from "./until.ts";

export interface ItemWorld extends ShelfWorld {
  readonly shop: Stand;
  readonly api: Api;
  /** A token of somebody in the team red. */
  readonly red: string;
  /** Of somebody in another team. */
  readonly blue: string;
  /** Has an item shown as `change` says; it is named as its server does. */
  readonly change: (noun: string, upstreamName: string, change: Message) => Promise<void>;
}

/** Where the server is shown. */
export const PATHS = ["/mcp", "/servers/ops/mcp", "/servers/shop/mcp"] as const;

/** Under what its tools and prompts are known there. */
export function prefixOf(path: string): string {
  return path === "/servers/shop/mcp" ? "" : "shop-";
}

export const RED = { visibility: "team", teamId: "red" };

/** What is red is red's. */
const NARROWED = [
  ["tools", "red"],
  ["prompts", "red"],
  ["resources", "test://red"],
  ["resources", "test://of-red/{x}"],
  ["resources", "wide://red"],
] as const;

export async function openItemWorld(
  env: Readonly<Record<string, string>> = {},
): Promise<ItemWorld> {
  const world = await serveShelf({
    shop: {
      tools: [aTool("open"), aTool("red", { inputSchema: NEEDS_X })],
      prompts: [{ name: "open" }, { name: "red" }],
      resources: [aResource("test://open"), aResource("test://red"), aResource("wide://red")],
      templates: [
        aTemplate("test://of-open/{x}"),
        aTemplate("test://of-red/{x}"),
        aTemplate("wide://{any}"),
      ],
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        completions: {},
      },
    },
  }, {
    servers: { ops: { tools: ["*"], prompts: ["*"], resources: ["*"] } },
    env,
  });
  const api = await openApi(() => world.origin);
  await haveTeams(world.origin, { red: ["r@example.com"], blue: ["b@example.com"] });
  const change = async (noun: string, upstreamName: string, body: Message) => {
    const isIt = (record: Message) => record.upstreamName === upstreamName;
    let found: Message | undefined;
    await until(upstreamName, async () => (found = (await api.all(`/${noun}`)).find(isIt)) && true);
    await api.must("PATCH", `/${noun}/${found!.id}`, body);
  };
  for (const [noun, name] of NARROWED) await change(noun, name, RED);
  return {
    ...world,
    shop: world.stands.shop!,
    api,
    change,
    red: await mintToken({ sub: "r@example.com", teams: ["red"] }),
    blue: await mintToken({ sub: "b@example.com", teams: ["blue"] }),
  };
}

const NEEDS_X = { type: "object", properties: { x: { type: "string" } }, required: ["x"] };

type Request = { readonly method: string; readonly params: Message };

/** Requests that name something, by the word in its name. */
export const REQUESTS: Readonly<Record<string, (word: string, prefix: string) => Request>> = {
  "a tool": (word, prefix) => ({
    method: "tools/call",
    params: { name: `${prefix}${word}`, arguments: { x: "1" } },
  }),
  "a tool with arguments that do not fit": (word, prefix) => ({
    method: "tools/call",
    params: { name: `${prefix}${word}`, arguments: {} },
  }),
  "a prompt": (word, prefix) => ({ method: "prompts/get", params: { name: `${prefix}${word}` } }),
  "a resource": (word) => ({ method: "resources/read", params: { uri: `test://${word}` } }),
  "what fits a template": (word) => ({
    method: "resources/read",
    params: { uri: `test://of-${word}/1` },
  }),
  "completion of a prompt": (word, prefix) => ({
    method: "completion/complete",
    params: { ref: { type: "ref/prompt", name: `${prefix}${word}` }, argument: ARGUMENT },
  }),
  "completion of a template": (word) => ({
    method: "completion/complete",
    params: { ref: { type: "ref/resource", uri: `test://of-${word}/{x}` }, argument: ARGUMENT },
  }),
  "a subscription": (word) => ({
    method: "resources/subscribe",
    params: { uri: `test://${word}` },
  }),
  "the end of a subscription": (word) => ({
    method: "resources/unsubscribe",
    params: { uri: `test://${word}` },
  }),
};

const ARGUMENT = { name: "x", value: "" };

/** What each list shows to the team, and to everybody else. */
export const LISTED: readonly (readonly [
  method: string,
  red: (prefix: string) => readonly string[],
  others: (prefix: string) => readonly string[],
])[] = [
  ["tools/list", (of) => [`${of}open`, `${of}red`], (of) => [`${of}open`]],
  ["prompts/list", (of) => [`${of}open`, `${of}red`], (of) => [`${of}open`]],
  [
    "resources/list",
    () => ["test://open", "test://red", "wide://red"],
    () => ["test://open"],
  ],
  [
    "resources/templates/list",
    () => ["test://of-open/{x}", "test://of-red/{x}", "wide://{any}"],
    () => ["test://of-open/{x}", "wide://{any}"],
  ],
];
