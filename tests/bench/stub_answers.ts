/**
 * What the stub says in both eras: bodies that are ready but for the id of the request.
 *
 * @module
 */

import { TEXT_BYTES, textOf, TOOL_DESCRIPTION, TOOL_NAMES } from "./payload.ts";

export const SERVER_INFO = { name: "bench-stub", version: "1.0.0" };

const JSON_HEADERS = { "content-type": "application/json" };
const encoder = new TextEncoder();

/** What the stub reads of a request. */
export interface StubRequest {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly cursor?: string;
    readonly arguments?: {
      readonly bytes?: number;
      readonly count?: number;
      readonly ids?: boolean;
    };
    readonly _meta?: { readonly progressToken?: number | string };
  };
}

/** The part of an answer after its id, ready as bytes. */
export function tailOf(result: object): Uint8Array {
  return encoder.encode(`,"result":${JSON.stringify(result)}}`);
}

/** The answers of `text`, by size; `also` is what the era adds to every result. */
export function textTails(also: object): ReadonlyMap<number, Uint8Array> {
  return new Map(TEXT_BYTES.map((bytes) => [
    bytes,
    tailOf({ ...also, content: [{ type: "text", text: textOf(bytes) }] }),
  ]));
}

/** Tools with these names, as a list shows them. */
export function toolsOf(names: readonly string[]): readonly object[] {
  return names.map((name) => ({
    name,
    description: TOOL_DESCRIPTION,
    inputSchema: {
      type: "object",
      properties: {
        path: { type: "string", description: "Where the entry lies in the collection" },
        bytes: { type: "integer", minimum: 0, description: "How much text is wanted" },
        count: { type: "integer", minimum: 0, description: "How many steps are reported" },
      },
    },
  }));
}

/** All tools of an ordinary server. */
export const TOOLS = toolsOf(TOOL_NAMES);

/** An answer with a result. */
export function success(
  id: number | string,
  tail: Uint8Array,
  headers: Readonly<Record<string, string>> = JSON_HEADERS,
): Response {
  const head = encoder.encode(`{"jsonrpc":"2.0","id":${JSON.stringify(id)}`);
  const body = new Uint8Array(head.length + tail.length);
  body.set(head);
  body.set(tail, head.length);
  return new Response(body, { headers });
}

/** An answer with an error. */
export function failure(
  id: number | string | null,
  status: number,
  code: number,
  message: string,
): Response {
  const body = JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
  return new Response(body, { status, headers: JSON_HEADERS });
}

/**
 * The stream that answers `notify`: its notifications, each a chunk of its own, and the result.
 *
 * @param eventIds begin of the ids of its events, the first of which then says nothing but its id;
 *   without it events have none
 */
export function notifyStream(
  { id, params }: StubRequest,
  result: string,
  eventIds?: string,
): ReadableStream<Uint8Array> {
  const count = params?.arguments?.count ?? 0;
  const token = JSON.stringify(params?._meta?.progressToken ?? null);
  const start = `data: {"jsonrpc":"2.0","method":"notifications/progress","params":` +
    `{"progressToken":${token},"total":${count},"progress":`;
  const idLine = (of: number) => eventIds === undefined ? "" : `id: ${eventIds}-${of}\n`;
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (eventIds === undefined) return;
      controller.enqueue(encoder.encode(`${idLine(0)}retry: 1000\ndata: \n\n`));
    },
    pull(controller) {
      if (sent < count) {
        sent++;
        controller.enqueue(encoder.encode(`${idLine(sent)}${start}${sent}}}\n\n`));
        return;
      }
      const last = `data: {"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}\n\n`;
      controller.enqueue(encoder.encode(idLine(sent + 1) + last));
      controller.close();
    },
  });
}
