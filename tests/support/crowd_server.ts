/**
 * A server behind the gateway that notes every execution of a call by the call's name, in the
 * process of the test: it outlives all gateways.
 *
 * It has four endpoints: of both eras, of the stateless one, and two of the session era, of which
 * one gives event ids and goes on with a stream where it broke off.
 *
 * @module
 */
import { type Message, MODERN_REVISION } from "./modern.ts";

export const CROWD_PLACES = ["both", "new", "old", "bare"] as const;
export type CrowdPlace = typeof CROWD_PLACES[number];

export interface CrowdServer extends AsyncDisposable {
  /** For `mcpServers`. */
  readonly entries: Readonly<Record<string, Message>>;
}

/** What was said in answer to one call, and who waits for more. */
interface Said {
  readonly messages: string[];
  isOver: boolean;
  changed: PromiseWithResolvers<void>;
}

export type Executed = (call: string, session: string | undefined) => void;

/** @param executed is told of each execution, before anything is said of it */
export function startCrowdServer(executed: Executed): CrowdServer {
  const streams = new Map<string, Said>();
  const sessions = new Set<string>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) },
    async (request) => {
      const place = new URL(request.url).pathname.split("/")[1] as CrowdPlace;
      const isModern = request.headers.get("mcp-protocol-version") === MODERN_REVISION;
      if (place !== "both" && (place === "new") !== isModern) {
        return new Response(null, { status: 400 });
      }
      const session = request.headers.get("mcp-session-id") ?? undefined;
      if (request.method === "GET") return resumed(request);
      if (request.method === "DELETE") return new Response(null);
      const message: Message = JSON.parse(await request.text());
      if (message.method === "initialize") return initialized(message);
      if (!isModern && message.method !== "server/discover" && !sessions.has(session ?? "")) {
        return new Response(null, { status: 404 });
      }
      if (message.id === undefined) return new Response(null, { status: 202 });
      if (message.method !== "tools/call") return listed(message, isModern);
      return await called(message, isModern, session, place !== "bare");
    },
  );

  function initialized({ id, params }: Message): Response {
    const session = crypto.randomUUID();
    sessions.add(session);
    const { protocolVersion } = params as Message;
    return answer(id, { protocolVersion: protocolVersion!, ...DESCRIBED }, {
      "Mcp-Session-Id": session,
    });
  }

  async function called(
    { id, params }: Message,
    isModern: boolean,
    session: string | undefined,
    isKept: boolean,
  ): Promise<Response> {
    const { name, arguments: args, _meta } = params as { [member: string]: Message };
    const call = String(args!.call);
    executed(call, isModern ? undefined : session);
    const result = {
      ...isModern && { resultType: "complete" },
      content: [{ type: "text", text: call }],
    };
    const stepMs = Number(args!.ms);
    if (String(name) !== "steps") {
      await pause(stepMs);
      return answer(id, result);
    }
    const said: Said = { messages: [], isOver: false, changed: Promise.withResolvers() };
    if (isKept && !isModern) streams.set(call, said);
    void (async () => {
      for (let progress = 1; progress <= STEPS; progress++) {
        await pause(stepMs);
        const { progressToken } = _meta!;
        say(said, {
          method: "notifications/progress",
          params: { progressToken: progressToken!, progress, message: call },
        });
      }
      await pause(stepMs);
      said.isOver = true;
      say(said, { id: id!, result });
      // Whoever has not come back by then will not.
      Deno.unrefTimer(setTimeout(() => streams.delete(call), KEPT_MS));
    })();
    return follow(said, 0, streams.has(call) ? call : undefined);
  }

  function resumed(request: Request): Response {
    const [call, nth] = (request.headers.get("last-event-id") ?? "").split("_");
    const said = streams.get(call ?? "");
    return said === undefined
      ? new Response(null, { status: 405 })
      : follow(said, Number(nth), call);
  }

  const port = (server.addr as Deno.NetAddr).port;
  const entry = (place: CrowdPlace) =>
    [place, { type: "http", url: `http://127.0.0.1:${port}/${place}/mcp` }] as const;
  return {
    entries: Object.fromEntries(CROWD_PLACES.map(entry)),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** How often a call of the tool `steps` says something before its result. */
export const STEPS = 3;
const KEPT_MS = 60_000;
const DESCRIBED: Message = {
  capabilities: { tools: {} },
  serverInfo: { name: "crowd", version: "1.0.0" },
};
const FRESH: Message = { resultType: "complete", ttlMs: 600_000, cacheScope: "private" };

function listed({ id, method }: Message, isModern: boolean): Response {
  if (method === "server/discover") {
    return answer(id, { supportedVersions: [MODERN_REVISION], ...DESCRIBED, ...FRESH });
  }
  const tools = ["echo", "steps"].map((name) => ({ name, inputSchema: { type: "object" } }));
  return answer(id, { ...method === "tools/list" && { tools }, ...isModern && FRESH });
}

function answer(
  id: Message[string] | undefined,
  result: Message,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ jsonrpc: "2.0", id: id!, result }, { headers });
}

function say(said: Said, message: Message): void {
  said.messages.push(JSON.stringify({ jsonrpc: "2.0", ...message }));
  said.changed.resolve();
  said.changed = Promise.withResolvers();
}

/** @param call names the events, if they have ids */
function follow(said: Said, from: number, call: string | undefined): Response {
  let nth = from;
  const body = new ReadableStream<string>({
    start(controller) {
      // With an id from the first byte on, as revision 2025-11-25 has it.
      if (call !== undefined && from === 0) controller.enqueue(`id: ${call}_0\ndata: \n\n`);
    },
    async pull(controller) {
      while (nth === said.messages.length && !said.isOver) await said.changed.promise;
      if (nth === said.messages.length) return controller.close();
      const id = call === undefined ? "" : `id: ${call}_${nth + 1}\n`;
      controller.enqueue(`${id}data: ${said.messages[nth++]}\n\n`);
    },
  });
  return new Response(body.pipeThrough(new TextEncoderStream()), {
    headers: { "Content-Type": "text/event-stream" },
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
