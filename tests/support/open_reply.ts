/**
 * A reply that is looked at while it still comes in: for streams, and for clients that leave.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { eventData, type Message, modernBytes, type ModernCall } from "./modern.ts";
import { until } from "./until.ts";

export interface OpenReply extends Disposable {
  readonly status: () => number | undefined;
  /** The value of a header, by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** The body so far. */
  readonly text: () => string;
  /** The messages of the events so far, or of the JSON body once it is whole. */
  readonly messages: () => Message[];
  /** `complete` when HTTP says so, `broken` when the connection ended before. */
  readonly ended: () => "complete" | "broken" | undefined;
  /** Stops and resumes reading. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Leaves, whether or not there is more to come. */
  readonly close: () => void;
}

/** Sends a request on a connection of its own, and does not wait for the reply. */
export async function openModern(origin: string, call: ModernCall): Promise<OpenReply> {
  return await openRaw(origin, modernBytes(origin, call));
}

export async function openRaw(origin: string, bytes: Uint8Array): Promise<OpenReply> {
  const url = new URL(origin);
  const socket = connect({ host: url.hostname, port: Number(url.port) });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve).once("error", reject);
  });
  const reply = readReply(socket);
  socket.write(bytes);
  return reply;
}

/** Waits for the head of a reply and gives its status. */
export function statusOf(reply: OpenReply, deadlineMs?: number): Promise<number> {
  return until("the head of the reply", () => reply.status(), deadlineMs);
}

/** Waits for a message of this method. */
export function messageOf(reply: OpenReply, method: string, deadlineMs?: number): Promise<Message> {
  const find = () => reply.messages().find((message) => message.method === method);
  return until(`a message "${method}"`, find, deadlineMs);
}

/** Waits for the response that ends the reply. */
export function responseOf(reply: OpenReply, deadlineMs?: number): Promise<Message> {
  const find = () => reply.messages().find((one) => "result" in one || "error" in one);
  return until("the response", find, deadlineMs);
}

function readReply(socket: Socket): OpenReply {
  /** What is not decoded yet, one character per byte. */
  let pending = "";
  let head: string | undefined;
  let body = "";
  let left = 0;
  let end: "complete" | "broken" | undefined;

  const header = (name: string) =>
    head?.split("\r\n").slice(1).map((line) => line.split(/:\s*(.*)/s))
      .find(([key]) => key?.toLowerCase() === name)?.[1];

  function takeHead(): void {
    const at = pending.indexOf("\r\n\r\n");
    if (at < 0) return;
    head = pending.slice(0, at);
    pending = pending.slice(at + 4);
    left = Number(header("content-length") ?? (header("transfer-encoding") ? 0 : Infinity));
    if (left === 0 && !header("transfer-encoding")) end ??= "complete";
  }

  function takeBody(): void {
    const isChunked = header("transfer-encoding") === "chunked";
    while (pending.length > 0) {
      if (left === 0 && isChunked) {
        const size = /^(?:\r\n)?([0-9a-f]+)\r\n/i.exec(pending);
        if (!size) return;
        pending = pending.slice(size[0].length);
        left = parseInt(size[1]!, 16);
        if (left === 0) return void (end ??= "complete");
      }
      const taken = pending.slice(0, left);
      body += taken;
      pending = pending.slice(taken.length);
      left -= taken.length;
      if (left === 0 && !isChunked) return void (end ??= "complete");
    }
  }

  socket.on("data", (data: Uint8Array) => {
    for (let at = 0; at < data.length; at += 8192) {
      pending += String.fromCharCode(...data.subarray(at, at + 8192));
    }
    if (head === undefined) takeHead();
    if (head !== undefined) takeBody();
  });
  socket.on("error", () => {});
  socket.on("close", () => end ??= left === Infinity ? "complete" : "broken");

  const text = () => new TextDecoder().decode(Uint8Array.from(body, (one) => one.charCodeAt(0)));
  const messages = (): Message[] => {
    const isStream = header("content-type")?.startsWith("text/event-stream");
    if (isStream) return eventData(completeEvents(text())).map((data) => JSON.parse(data));
    return end === "complete" && body ? [JSON.parse(text())] : [];
  };
  const close = () => void socket.destroy();
  return {
    status: () => head === undefined ? undefined : Number(head.split(" ")[1]),
    header,
    text,
    messages,
    ended: () => end,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close,
    [Symbol.dispose]: close,
  };
}

/** What stands before the last empty line: the rest is an event in the making. */
function completeEvents(stream: string): string {
  return stream.slice(0, stream.lastIndexOf("\n\n") + 2);
}
