/**
 * A gateway with an item of every kind and every visibility, by its server and by itself, and
 * clients that ask for them.
 *
 * @module
 */
import { openApi } from "../support/api_client.ts";
import { callModern, type Message } from "../support/modern.ts";
import { makeKey, OIDC_AUDIENCE, openIssuer } from "../support/oidc_issuer.ts";
import type { RawReply } from "../support/raw_http.ts";
import { callSession, initialize, openSession } from "../support/session_client.ts";
import type { Offer } from "../support/shelf_server.ts";
import {
  aResource,
  aTemplate,
  aTool,
  serveShelf,
  type ShelfWorld,
} from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { until } from "../support/until.ts";
import { ALICE, type External, ROOT, SHOWN, type Shown, TEAMS } from "./visibility_rows.ts";

export type World = Awaited<ReturnType<typeof openVisibility>>;

/** Of the server; of the item, of a server that all can see; the same at that server's endpoint. */
export const LEVELS = ["server", "item", "item, verbatim"] as const;
export type Level = typeof LEVELS[number];

export const KINDS = ["tool", "prompt", "resource", "template"] as const;
export type Kind = typeof KINDS[number];

/** The one whose items have visibilities of their own. */
const MIXED = "mixd";
/** Of one length, as all of what is shown. */
const OTHER = "othr";

/** How items are listed and used, by what is in their names. */
export const USES: Readonly<
  Record<Kind, {
    readonly list: string;
    /** What a list calls it. */
    readonly listed: (level: Level, what: string) => string;
    readonly use: (level: Level, what: string) => [method: string, params: Message];
  }>
> = {
  tool: {
    list: "tools/list",
    listed: named,
    use: (level, what) => ["tools/call", { name: named(level, what), arguments: {} }],
  },
  prompt: {
    list: "prompts/list",
    listed: named,
    use: (level, what) => ["prompts/get", { name: named(level, what) }],
  },
  resource: {
    list: "resources/list",
    listed: located,
    use: (level, what) => ["resources/read", { uri: located(level, what) }],
  },
  template: {
    list: "resources/templates/list",
    listed: (level, what) => `${located(level, what)}/{id}`,
    use: (level, what) => ["resources/read", { uri: `${located(level, what)}/42` }],
  },
};

/** A server shows an item named after itself; the mixed one shows all that there are. */
function named(level: Level, what: string): string {
  return { "server": `${what}-${what}`, "item": `${MIXED}-${what}`, "item, verbatim": what }[level];
}

function located(level: Level, what: string): string {
  return `${level.split(",")[0]}://${what}`;
}

/** The server that has it. */
export function serverOf(level: Level, what: string): string {
  return level === "server" ? what : MIXED;
}

function offerOf(level: Level, ...all: readonly string[]): Partial<Offer> {
  return {
    tools: all.map((what) => aTool(what)),
    prompts: all.map((name) => ({ name })),
    resources: all.map((what) => aResource(located(level, what))),
    templates: all.map((what) => aTemplate(`${located(level, what)}/{id}`)),
  };
}

const SCOPES = {
  "no scope": "/mcp",
  "S1 with it": "/servers/with/mcp",
  "S2 without it": "/servers/without/mcp",
  "a server that is not": "/servers/nothing/mcp",
} as const;

const VERBATIM = { "its own server": `/servers/${MIXED}/mcp` } as const;

export type Scope = keyof typeof SCOPES | keyof typeof VERBATIM;

/** Where it is asked for: everywhere, where it is, where it is not, and nowhere. */
export function scopesOf(level: Level): readonly (readonly [scope: Scope, path: string])[] {
  const paths: Partial<Record<Scope, string>> = level === "item, verbatim" ? VERBATIM : SCOPES;
  return Object.entries(paths) as [Scope, string][];
}

export async function openVisibility(
  env: Readonly<Record<string, string>> = {},
): Promise<Awaited<ReturnType<typeof serveShelf>> & { readonly external: External }> {
  const stack = new AsyncDisposableStack();
  const issuer = stack.use(openIssuer());
  const key = await makeKey("one");
  issuer.list(key);
  const world = stack.use(
    await serveShelf({
      ...Object.fromEntries(SHOWN.map((what) => [what, offerOf("server", what)])),
      [MIXED]: offerOf("item", ...SHOWN),
      [OTHER]: offerOf("server", OTHER),
    }, {
      entries: {
        team: { visibility: "team", team: "t1" },
        priv: { visibility: "private", owner: ALICE },
      },
      servers: {
        with: { tools: ["*"], prompts: ["*"], resources: ["*"] },
        without: {
          tools: [`${OTHER}-*`],
          prompts: [`${OTHER}-*`],
          resources: [`server://${OTHER}*`],
        },
      },
      settings: {
        MCP_REQUIRE_AUTH: "false",
        OIDC_ISSUERS: [{ issuer: issuer.issuer, audience: OIDC_AUDIENCE }],
      },
      env,
    }),
  );
  await haveTeams(world.origin, TEAMS);
  await narrowItems(world);
  return {
    ...world,
    external: { issuer, key },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Gives each item of the mixed server the visibility that it is named after. */
async function narrowItems({ origin }: ShelfWorld): Promise<void> {
  const api = await openApi(() => origin);
  await api.must("POST", "/users", { email: ROOT, isAdmin: true });
  const audiences: Readonly<Record<Shown, object>> = {
    pubs: { visibility: "public" },
    team: { visibility: "team", teamId: "t1" },
    priv: { visibility: "private", owner: ALICE },
  };
  for (const [path, kinds] of [["/tools", 1], ["/prompts", 1], ["/resources", 2]] as const) {
    // Those of the mixed server, and one of each of the others.
    const count = kinds * (SHOWN.length + SHOWN.length + 1);
    await until(`all ${path}`, async () => (await api.all(path)).length === count);
    for (const { id, upstreamName } of await api.all(`${path}?upstream=${MIXED}`)) {
      const what = SHOWN.find((one) => upstreamName.includes(one))!;
      await api.must("PATCH", `${path}/${id}`, audiences[what]);
    }
  }
}

// ── Clients ─────────────────────────────────────────────────────────────────────────────────────

export interface Answer extends RawReply {
  readonly response: Message;
}

/** One client at one endpoint. */
export interface Asker extends AsyncDisposable {
  /** What whatever it asks is refused with; `undefined` when it is not. */
  readonly refused: number | undefined;
  readonly ask: (method: string, params: Message) => Promise<Answer>;
}

type OpenAsker = (origin: string, path: string, token: string | undefined) => Promise<Asker>;

/** Ids are of one length. */
let ids = 100_000;
const nextId = () => String(++ids);

export const ERAS: Readonly<Record<"session" | "sessionless" | "modern", OpenAsker>> = {
  async session(origin, path, token) {
    const session = await openSession(origin, { path, token }).catch(() => undefined);
    if (session === undefined) {
      const { status } = await initialize(origin, { path, token });
      // It is not for the session that it does not have.
      const headers = { "Mcp-Session-Id": crypto.randomUUID() };
      return refusedWith(status, await callSession(origin, { path, token, headers }));
    }
    return {
      refused: undefined,
      ask: (method, params) => session.send({ method, params, idText: nextId() }),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  },
  async sessionless(origin, path, token) {
    const hello = await initialize(origin, { path, token });
    if (hello.status !== 200) return refusedWith(hello.status, hello);
    return asker((method, params) =>
      callSession(origin, { path, token, method, params, idText: nextId() })
    );
  },
  async modern(origin, path, token) {
    const call = { path, ...token !== undefined && { token } };
    const hello = await callModern(origin, { ...call, method: "server/discover" });
    if (hello.status !== 200) return refusedWith(hello.status, hello);
    return asker((method, params) =>
      callModern(origin, { ...call, method, params, idText: nextId() })
    );
  },
};

function asker(ask: Asker["ask"]): Asker {
  return { refused: undefined, ask, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** @throws when two requests are not refused alike */
function refusedWith(status: number, { status: again }: RawReply): Asker {
  if (status !== again) throw new Error(`Refused with ${status}, and then with ${again}`);
  const ask = () => Promise.reject(new Error("It is refused"));
  return { refused: status, ask, [Symbol.asyncDispose]: () => Promise.resolve() };
}
