/**
 * The HTTP API behind a REST tool: answers with JSON of a size. The stub answers the same as an MCP
 * server, word by word what a gateway has to make of the API's reply.
 *
 * @module
 */

import { textOf } from "./payload.ts";

/** Where the stub is that API, and the name of the tool. */
export const RECORD_PATH = "/record";
export const RECORD_TOOL = "record";

/** Sizes that the stub has ready. */
export const RECORD_BYTES = [1024] as const;

/** An object, as JSON text of exactly so many bytes. */
export function recordOf(bytes: number): string {
  const record = (note: string) =>
    JSON.stringify({
      id: 1234567,
      key: "LIBRARY-1234",
      isOpen: true,
      rating: 4.25,
      labels: ["porter", "guests", "gate"],
      author: { name: "Ann Porter", mail: "ann@example.com" },
      createdAt: "2026-07-28T12:00:00Z",
      note,
    });
  // Without what would have to be escaped.
  const plain = textOf(2 * bytes).replace(/["\n]/g, "");
  return record(plain.slice(0, bytes - record("").length));
}

/** What the tool's result holds beside what the era and the server add to every result. */
export function recordResult(bytes: number): object {
  const text = recordOf(bytes);
  return { content: [{ type: "text", text }], structuredContent: JSON.parse(text) };
}

/** The tool as the management API of the gateway is told it. */
export function recordTool(stubPort: number): object {
  return {
    name: RECORD_TOOL,
    description: "Looks up a record",
    method: "POST",
    url: `http://127.0.0.1:${stubPort}${RECORD_PATH}`,
    inputSchema: {
      type: "object",
      properties: { bytes: { type: "integer", minimum: 0 } },
      required: ["bytes"],
      additionalProperties: false,
    },
  };
}

/** Answers one request to the API. */
export async function answerRecord(request: Request): Promise<Response> {
  const { bytes } = JSON.parse(await request.text());
  const body = RECORDS.get(bytes);
  if (body === undefined) return new Response("No such size", { status: 404 });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

const RECORDS = new Map<number, Uint8Array<ArrayBuffer>>(
  RECORD_BYTES.map((bytes) => [bytes, new TextEncoder().encode(recordOf(bytes))]),
);
