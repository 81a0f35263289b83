/**
 * The second contender, and the measure of the others: the leanest proxy that `node:http` allows on Deno.
 *
 * `Deno.serve` in front, a keep-alive agent behind. It copies method, headers and bodies and understands
 * none of them; whatever a gateway costs more than this is the price of being a gateway.
 *
 * Argument: the port of the stub.
 *
 * @module
 */

import { Agent, type IncomingMessage, request as send } from "node:http";

/** Chunks that may wait for a slow reader; pausing after each would be a cost of its own. */
const CHUNKS_WAITING_MAX = 64;

const SKIPPED = new Set(["host", "connection", "content-length", "transfer-encoding", "date"]);

function relay(request: Request, agent: Agent, port: number): Promise<Response> {
  return new Promise((resolve, reject) => {
    request.bytes().then((body) => {
      const headers: Record<string, string> = { "content-length": String(body.length) };
      for (const [name, value] of request.headers) {
        if (!SKIPPED.has(name)) headers[name] = value;
      }
      const { pathname, search } = new URL(request.url);
      const target = { host: "127.0.0.1", port, path: pathname + search, agent, headers };
      const outgoing = send({ ...target, method: request.method }, (incoming) => {
        resolve(
          new Response(streamOf(incoming), {
            status: incoming.statusCode ?? 502,
            headers: headersOf(incoming),
          }),
        );
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    }, reject);
  });
}

/** The body as it comes, with backpressure: a slow reader pauses the upstream. */
function streamOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      incoming.on("data", (chunk: Uint8Array) => {
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 1) <= 0) incoming.pause();
      });
      incoming.on("end", () => controller.close());
      incoming.on("error", (error) => controller.error(error));
    },
    pull: () => void incoming.resume(),
    cancel: () => void incoming.destroy(),
  }, { highWaterMark: CHUNKS_WAITING_MAX });
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (!SKIPPED.has(name) && typeof value === "string") headers.set(name, value);
  }
  return headers;
}

if (import.meta.main) {
  const port = Number(Deno.args[0]);
  const agent = new Agent({ keepAlive: true });
  const onListen = (listener: { port: number }) => {
    console.log(`Listening on http://127.0.0.1:${listener.port}`);
  };
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => {
    return relay(request, agent, port);
  });
}
