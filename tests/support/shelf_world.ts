/**
 * A gateway in front of `shelf_server.ts`, as a program that can be restarted and whose config file
 * can be edited while it runs.
 *
 * @module
 */
import { callModern, type Message, type ModernReply } from "./modern.ts";
import { freePort } from "./free_port.ts";
import { type Program, startProgram } from "./program.ts";
import { callSession, openSession, type Session } from "./session_client.ts";
import { type Offer, type ShelfServer, type Stand, startShelfServer } from "./shelf_server.ts";
import { tempDir } from "./temp_dir.ts";
import { mintToken, TEST_JWT_SECRET } from "./tokens.ts";

export interface ShelfWorld extends AsyncDisposable {
  readonly origin: string;
  /** Adds an upstream server; the gateway knows it once it is in its config file. */
  readonly stand: (name: string, offer?: Partial<Offer>) => Stand;
  readonly configFile: string;
  /** Writes the config file anew. */
  readonly write: (config: ShelfConfig) => Promise<void>;
  readonly start: (env?: Readonly<Record<string, string>>) => Promise<void>;
  /** Ends the program, and waits for that. */
  readonly stop: (signal?: "SIGTERM" | "SIGKILL") => Promise<void>;
  readonly signal: (signal: Deno.Signal) => void;
  /** What the program has logged since it was started last. */
  readonly log: () => string;
}

export interface ShelfConfig {
  /** What stands in `mcpServers`, each with the URL of its stand unless it says otherwise. */
  readonly stands: readonly (Stand | readonly [Stand, Message])[];
  readonly servers?: Message;
  readonly settings?: Message;
  readonly more?: Message;
}

/** Nothing is started yet: stands come first. */
export async function openShelfWorld(): Promise<ShelfWorld> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir()).path;
  const shelf: ShelfServer = stack.use(startShelfServer());
  const configFile = `${dir}/config.json`;
  const port = freePort();
  let program: Program | undefined;
  stack.defer(async () => await program?.[Symbol.asyncDispose]());
  return {
    origin: `http://127.0.0.1:${port}`,
    stand: shelf.stand,
    configFile,
    write: (config) => Deno.writeTextFile(configFile, JSON.stringify(configOf(config))),
    async start(env = {}) {
      program = startProgram(
        ["serve", "--config", configFile, "--data", `${dir}/data`, "--port", String(port)],
        {
          cwd: dir,
          env: {
            JWT_SECRET_KEY: TEST_JWT_SECRET,
            SHUTDOWN_GRACE: "1s",
            LOG_FORMAT: "json",
            ...env,
          },
        },
      );
      await program.listening();
    },
    async stop(signal = "SIGTERM") {
      program!.signal(signal);
      await program!.ended();
      program = undefined;
    },
    signal: (signal) => program!.signal(signal),
    log: () => program!.stderr(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A gateway that serves these stands. */
export async function serveShelf(
  offers: Readonly<Record<string, Partial<Offer>>>,
  { entries = {}, servers = {}, settings = {}, env = {} }: {
    /** Further members of entries, by name. */
    readonly entries?: Readonly<Record<string, Message>>;
    readonly servers?: Message;
    readonly settings?: Message;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<ShelfWorld & { readonly stands: Readonly<Record<string, Stand>> }> {
  const world = await openShelfWorld();
  try {
    const stands = Object.fromEntries(
      Object.entries(offers).map(([name, offer]) => [name, world.stand(name, offer)]),
    );
    const all = Object.values(stands).map((stand) => [stand, entries[stand.name] ?? {}] as const);
    await world.write({ stands: all, servers, settings });
    await world.start(env);
    return { ...world, stands };
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

export function configOf({ stands, servers = {}, settings = {}, more = {} }: ShelfConfig) {
  const entries = stands.map((one) => {
    const [stand, members] = "name" in one ? [one, {}] : one;
    return [stand.name, { type: "http", url: stand.url, ...members }];
  });
  return { mcpServers: Object.fromEntries(entries), servers, settings, ...more };
}

/** A client of one era, by hand: what it gets is what stands on the wire. */
export interface EraClient extends AsyncDisposable {
  /** The response to a request. */
  readonly ask: (method: string, params?: Message) => Promise<Message>;
  /** The response as it came. */
  readonly text: (method: string, params?: Message) => Promise<string>;
  /** Of the session era. */
  readonly session: Session | undefined;
}

export interface EraOptions {
  readonly path?: string;
  readonly token?: string;
}

export type OpenEra = (
  gateway: { readonly origin: string },
  options?: EraOptions,
) => Promise<EraClient>;

/** Both eras, so that a promise can be tested in each. */
export const ERAS: Readonly<Record<"session" | "modern", OpenEra>> = {
  async session({ origin }, { path = "/mcp", token } = {}) {
    const session = await openSession(origin, { path, token: token ?? await mintToken() });
    return {
      session,
      ask: async (method, params = {}) => (await session.send({ method, params })).response,
      async text(method, params = {}) {
        return JSON.stringify((await session.send({ method, params, idText: "77" })).response);
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  },
  async modern({ origin }, { path = "/mcp", token: given } = {}) {
    const token = given ?? await mintToken();
    const call = (method: string, params: Message): Promise<ModernReply> =>
      callModern(origin, { method, params, path, token });
    return {
      session: undefined,
      ask: async (method, params = {}) => (await call(method, params)).response,
      text: async (method, params = {}) => JSON.stringify((await call(method, params)).response),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
};

/** The session era where there are no sessions. */
export const sessionless: OpenEra = async ({ origin }, { path = "/mcp", token: given } = {}) => {
  const token = given ?? await mintToken();
  const call = (method: string, params: Message, idText: string) =>
    callSession(origin, { method, params, path, token, idText });
  return {
    session: undefined,
    ask: async (method, params = {}) => (await call(method, params, "1")).response,
    text: async (method, params = {}) =>
      JSON.stringify((await call(method, params, "77")).response),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
};

export type Era = keyof typeof ERAS;

/** One test for each era. */
export function inBothEras(promise: string, run: (open: OpenEra, era: Era) => Promise<void>): void {
  for (const era of ["session", "modern"] as const) {
    Deno.test(`${promise} (${era})`, () => run(ERAS[era], era));
  }
}

/** A tool without arguments. */
export function aTool(name: string, more: Message = {}): Message {
  return { name, inputSchema: { type: "object" }, ...more };
}

export function aResource(uri: string, more: Message = {}): Message {
  return { uri, name: uri, ...more };
}

export function aTemplate(uriTemplate: string, more: Message = {}): Message {
  return { uriTemplate, name: uriTemplate, ...more };
}

/** Names, URIs or URI templates of a list, all pages of it. */
export async function namesOf(client: EraClient, method: string): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const { result } = await client.ask(method, cursor === undefined ? {} : { cursor });
    const found = result as Record<string, unknown> & { nextCursor?: string };
    const [member, key] = MEMBERS[method]!;
    for (const item of found[member] as Record<string, string>[]) names.push(item[key]!);
    cursor = found.nextCursor;
  } while (cursor !== undefined);
  return names;
}

const MEMBERS: Readonly<Record<string, readonly [string, string]>> = {
  "tools/list": ["tools", "name"],
  "prompts/list": ["prompts", "name"],
  "resources/list": ["resources", "uri"],
  "resources/templates/list": ["resourceTemplates", "uriTemplate"],
};
