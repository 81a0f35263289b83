/**
 * Upstream servers in the process of the test, of both eras, whose offers a test changes at will.
 *
 * Each stand is an MCP endpoint of its own; all share one port. A stand lists what its offer says,
 * page by page, answers every other request with what a test has put under its method, and records
 * all that reaches it.
 *
 * @module
 */
import { isListen, type Listener, listenersOf } from "./shelf_listeners.ts";
import { type Json, type Message, MODERN_REVISION } from "./modern.ts";
import { until } from "./until.ts";

export interface Offer {
  tools: Message[];
  prompts: Message[];
  resources: Message[];
  templates: Message[];
  instructions?: string;
  /** Instead of those that the lists call for. */
  capabilities?: Message;
  ttlMs?: number;
  cacheScope?: "public" | "private";
  /** Both unless given; requests of the other one are refused. */
  era?: "session" | "modern";
  /** All at once unless given. */
  pageSize?: number;
}

export interface Seen {
  /** JSON-RPC method, `response` for an answer, the verb where there is no body. */
  readonly method: string;
  readonly message: Message;
  readonly params: Message;
  readonly headers: Headers;
  /** Of the session era. */
  readonly session: string | undefined;
  readonly isModern: boolean;
  /** As it came. */
  readonly body: string;
}

/** How an answer can be more than an answer. */
export interface Line {
  readonly notify: (method: string, params?: Message) => void;
  /** In a session: asks under this id, and gives the answer. */
  readonly ask: (id: Json, method: string, params?: Message) => Promise<Message>;
  /** Resolves when nobody waits for the answer any more. */
  readonly left: Promise<void>;
}

/** Gives the result; a text is the JSON text of it. */
export type Handle = (seen: Seen, line: Line) => Json | Promise<Json>;

export interface Stand {
  readonly name: string;
  readonly url: string;
  readonly offer: Offer;
  /** In order of arrival, without what the gateway asks on its own account. */
  readonly requests: Seen[];
  readonly requestsOf: (method: string) => Seen[];
  /** Waits for the request of this method that is the `nth`, counted from 0. */
  readonly arrival: (method: string, nth?: number) => Promise<Seen>;
  /** Waits for the `nth` request of this method on the gateway's own account. */
  readonly arrivalOwn: (method: string, nth?: number) => Promise<Seen>;
  /** How often each of its lists was asked for, from the first page on. */
  readonly reads: (method: string) => number;
  /** Sessions of clients that are open; the gateway's own is not among them. */
  readonly sessions: ReadonlySet<string>;
  /** Forgets all sessions, as after a restart. */
  readonly forget: () => void;
  /** How many sessions were ever opened for clients. */
  readonly opened: () => number;
  /** What becomes of requests of this method from now on. */
  readonly on: (method: string, handle: Handle) => void;
  /** Forgets what a test has put there and what was recorded. */
  readonly reset: () => void;
  /** Tells all that listen for it. */
  readonly say: (method: string, params?: Message) => void;
  /** Tells the stream of one session. */
  readonly sayIn: (session: string | undefined, method: string, params?: Message) => void;
  /** The same as a question under this id; the answer is among the requests. */
  readonly ask: (id: Json, method: string, params?: Message) => void;
  /** The same to all that listen, whatever they want to hear. */
  readonly sayAnyway: (method: string, params?: Message) => void;
  /** How many streams of clients' sessions are listened to. */
  readonly listening: () => number;
  /** How many of clients of the stateless era. */
  readonly subscribed: () => number;
  /** Ends all of these. */
  readonly hangUp: () => void;
  /** From now on requests get no answer (`hang`), or lose their connection (`down`). */
  mood: "well" | "hang" | "down";
}

export interface ShelfServer extends AsyncDisposable {
  readonly stand: (name: string, offer?: Partial<Offer>) => Stand;
}

/** A refusal that a handler throws. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const NO_LINE: Line = {
  notify() {},
  ask: () => Promise.reject(new Error("Nobody can be asked here")),
  left: Promise.resolve(),
};

const LISTS: Readonly<Record<string, { of: keyof Offer; member: string }>> = {
  "tools/list": { of: "tools", member: "tools" },
  "prompts/list": { of: "prompts", member: "prompts" },
  "resources/list": { of: "resources", member: "resources" },
  "resources/templates/list": { of: "templates", member: "resourceTemplates" },
};

export function startShelfServer(): ShelfServer {
  const stages = new Map<string, ReturnType<typeof createStand>>();
  const closing = new AbortController();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    signal: closing.signal,
    onError: () => new Response(null, { status: 500 }),
  }, (request) => {
    const name = new URL(request.url).pathname.split("/")[1]!;
    return stages.get(name)?.serve(request) ?? new Response(null, { status: 404 });
  });
  return {
    stand(name, offer = {}) {
      const url = `http://127.0.0.1:${server.addr.port}/${name}/mcp`;
      const made = createStand(name, url, offer);
      stages.set(name, made);
      return made.stand;
    },
    async [Symbol.asyncDispose]() {
      for (const { end } of stages.values()) end();
      closing.abort();
      await server.finished.catch(() => {});
    },
  };
}

function createStand(name: string, url: string, some: Partial<Offer>) {
  const offer: Offer = { tools: [], prompts: [], resources: [], templates: [], ...some };
  const requests: Seen[] = [];
  const own: Seen[] = [];
  const handlers = new Map<string, Handle>();
  const reads = new Map<string, number>();
  const sessions = new Map<string, { readonly isOwn: boolean }>();
  const listeners = listenersOf();
  const answers = new Map<string, (answer: Message) => void>();
  const ended = Promise.withResolvers<Response>();
  let opened = 0;
  const requestsOf = (method: string) => requests.filter((one) => one.method === method);
  const stand: Stand = {
    name,
    url,
    offer,
    requests,
    requestsOf,
    arrival: (method, nth = 0) =>
      until(`request ${nth} of ${method} at ${name}`, () => requestsOf(method)[nth], 15_000),
    arrivalOwn: (method, nth = 0) =>
      until(
        `request ${nth} of ${method} for the gateway at ${name}`,
        () => own.filter((one) => one.method === method)[nth],
        15_000,
      ),
    reads: (method) => reads.get(method) ?? 0,
    get sessions() {
      return new Set([...sessions].flatMap(([id, { isOwn }]) => isOwn ? [] : [id]));
    },
    forget: () => sessions.clear(),
    opened: () => opened,
    on: (method, handle) => void handlers.set(method, handle),
    reset() {
      handlers.clear();
      requests.length = 0;
      opened = 0;
    },
    say: listeners.say,
    sayIn: listeners.sayIn,
    ask: listeners.ask,
    sayAnyway: (method, params) => listeners.say(method, params, true),
    subscribed: () => listeners.subscribed(),
    hangUp: listeners.end,
    listening: () => listeners.count((id) => sessions.get(id)?.isOwn === false),
    mood: "well",
  };

  async function serve(request: Request): Promise<Response> {
    if (stand.mood === "hang") return await ended.promise;
    if (stand.mood === "down") return await broken();
    const seen = await seenIn(request);
    const isOwn = OWN_ID.test(String(seen.message.id)) ||
      sessions.get(seen.session ?? "")?.isOwn === true;
    (isOwn ? own : requests).push(seen);
    if (offer.era === "modern" && seen.method === "initialize") {
      const error = { code: -32601, message: "There are no sessions here" };
      return Response.json({ jsonrpc: "2.0", id: seen.message.id, error }, { status: 404 });
    }
    const isServed = offer.era === undefined || (offer.era === "modern") === seen.isModern;
    if (!isServed) return new Response(null, { status: 400 });
    if (seen.method === "initialize") {
      // What a test has put there can only delay it.
      if (!isOwn) await handlers.get("initialize")?.(seen, NO_LINE);
      return initialize(seen, isOwn);
    }
    if (!seen.isModern && !sessions.has(seen.session ?? "")) {
      return seen.method === "server/discover"
        ? Response.json(discovered(seen))
        : new Response(null, { status: 404 });
    }
    if (request.method === "DELETE") {
      sessions.delete(seen.session!);
      return new Response(null, { status: 200 });
    }
    if (request.method === "GET") return listeners.open({ session: seen.session });
    if (seen.method === "response") {
      answers.get(`${seen.session} ${JSON.stringify(seen.message.id)}`)?.(seen.message);
      return new Response(null, { status: 202 });
    }
    if (seen.message.id === undefined) return new Response(null, { status: 202 });
    if (isListen(seen)) return listeners.open({ listen: seen });
    return await answered(seen, request.signal);
  }

  function initialize({ message, params }: Seen, isOwn: boolean): Response {
    const id = `${name}-${sessions.size}-${crypto.randomUUID().slice(0, 8)}`;
    sessions.set(id, { isOwn });
    if (!isOwn) opened++;
    const result = { protocolVersion: params.protocolVersion ?? "2025-11-25", ...described() };
    return Response.json({ jsonrpc: "2.0", id: message.id, result }, {
      headers: { "Mcp-Session-Id": id },
    });
  }

  function described(): Message {
    const { tools, prompts, resources, templates, instructions, capabilities } = offer;
    const has = {
      ...tools.length > 0 && { tools: { listChanged: true } },
      ...prompts.length > 0 && { prompts: { listChanged: true } },
      ...resources.length + templates.length > 0 &&
        { resources: { listChanged: true, subscribe: true } },
      logging: {},
      completions: {},
    };
    return {
      capabilities: capabilities ?? has,
      serverInfo: { name, version: "1.0.0" },
      ...instructions !== undefined && { instructions },
    };
  }

  function discovered({ message }: Seen): Message {
    const result = { supportedVersions: [MODERN_REVISION], ...described(), ...freshness() };
    return { jsonrpc: "2.0", id: message.id ?? null, result };
  }

  function freshness(): Message {
    const { ttlMs = 600_000, cacheScope = "private" } = offer;
    return { resultType: "complete", ttlMs, cacheScope };
  }

  function listed(seen: Seen): Message {
    const { of, member } = LISTS[seen.method]!;
    const all = offer[of] as Message[];
    const from = Number(seen.params.cursor ?? 0);
    if (from === 0) reads.set(seen.method, stand.reads(seen.method) + 1);
    const to = from + (offer.pageSize ?? all.length);
    return {
      [member]: all.slice(from, to),
      ...to < all.length && { nextCursor: String(to) },
      ...seen.isModern && freshness(),
    };
  }

  function usual(seen: Seen): Json {
    if (seen.method in LISTS) return listed(seen);
    if (seen.method === "tools/call") {
      return { content: [{ type: "text", text: `${name}: ${seen.params.name}` }] };
    }
    if (seen.method === "prompts/get") {
      const content = { type: "text", text: `${name}: ${seen.params.name}` };
      return { messages: [{ role: "user", content }] };
    }
    if (seen.method === "resources/read") {
      return { contents: [{ uri: seen.params.uri!, text: `${name}: ${seen.params.uri}` }] };
    }
    if (seen.method === "completion/complete") return { completion: { values: [name] } };
    return {};
  }

  async function answered(seen: Seen, signal: AbortSignal): Promise<Response> {
    if (seen.method === "server/discover") return Response.json(discovered(seen));
    const stream = Promise.withResolvers<Response>();
    let listener: Listener | undefined;
    const say = (message: Message) => {
      if (listener === undefined) {
        const opened = listeners.once();
        listener = opened;
        void opened.left.then(leave);
        stream.resolve(opened.response);
      }
      listener.put(message);
    };
    let leave = () => {};
    const left = new Promise<void>((resolve) => leave = resolve);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave);
    const line: Line = {
      left,
      notify: (method, params) =>
        say({ jsonrpc: "2.0", method, ...params !== undefined && { params } }),
      ask(id, method, params = {}) {
        const { promise, resolve } = Promise.withResolvers<Message>();
        answers.set(`${seen.session} ${JSON.stringify(id)}`, resolve);
        say({ jsonrpc: "2.0", id, method, params });
        return promise;
      },
    };
    const whole = answerOf(handlers.get(seen.method) ?? usual, seen, line).then((text) => {
      if (listener === undefined) {
        return new Response(text, { headers: { "Content-Type": "application/json" } });
      }
      listener.putText(text);
      listener.end();
      return stream.promise;
    });
    return await Promise.race([whole, stream.promise]);
  }

  return { stand, serve, end: () => (listeners.end(), ended.resolve(new Response(null))) };
}

async function answerOf(handle: Handle, seen: Seen, line: Line): Promise<string> {
  const id = JSON.stringify(seen.message.id);
  try {
    const value = await handle(seen, line);
    const result = typeof value === "string" ? value : JSON.stringify(
      seen.isModern && typeof value === "object" ? { resultType: "complete", ...value } : value,
    );
    return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
  } catch (error) {
    const code = error instanceof Refusal ? error.code : -32603;
    const text = JSON.stringify({ code, message: String((error as Error).message) });
    return `{"jsonrpc":"2.0","id":${id},"error":${text}}`;
  }
}

/** Headers of an answer that never comes whole. */
function broken(): Promise<Response> {
  const body = new ReadableStream({
    start: (controller) => controller.error(new Error("The server is down")),
  });
  return Promise.resolve(new Response(body, { headers: { "Content-Type": "application/json" } }));
}

async function seenIn(request: Request): Promise<Seen> {
  const body = await request.text();
  const message: Message = body === "" ? {} : JSON.parse(body);
  const version = request.headers.get("mcp-protocol-version");
  return {
    method: body === ""
      ? request.method
      : typeof message.method === "string"
      ? message.method
      : "response",
    message,
    params: (message.params ?? {}) as Message,
    headers: request.headers,
    session: request.headers.get("mcp-session-id") ?? undefined,
    isModern: version === MODERN_REVISION,
    body,
  };
}

/** Of what the gateway asks on its own account: to read lists, know the era, hear changes. */
const OWN_ID = /^sallyport-(\d+|probe)$/;
