/**
 * An upstream server of `shelf_server.ts` behind a front in the process of the test, which may answer
 * in its place.
 *
 * @module
 */
import type { Message } from "./modern.ts";
import type { Stand } from "./shelf_server.ts";

export interface Front extends AsyncDisposable {
  readonly origin: string;
}

/** @param instead gives the answer to a message, unless the stand is to give it */
export function openFront(
  { url }: Stand,
  instead: (message: Message) => Response | undefined,
): Front {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: () => new Response(null, { status: 500 }),
  }, async ({ method, headers, body, signal }) => {
    const text = body === null ? "" : await new Response(body).text();
    const answer = text === "" ? undefined : instead(JSON.parse(text));
    if (answer !== undefined) return answer;
    return await fetch(url, { method, headers, signal, ...text !== "" && { body: text } });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
