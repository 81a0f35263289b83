/**
 * HTTP/1.1 by hand: sends exactly these bytes, and takes the reply apart without repairing it.
 *
 * @module
 */

export interface RawReply {
  readonly status: number;
  /** In order of arrival, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Decoded from chunks; empty when the connection ended early. */
  readonly body: Uint8Array;
  readonly text: string;
  /** The status line and headers as they came. */
  readonly head: string;
}

export interface RawOptions {
  /** For the whole exchange. */
  readonly deadlineMs?: number;
  /** Sent after `bytes`, as long as the other side takes it. */
  readonly rest?: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;
  /** A reply to HEAD has no body. */
  readonly hasBody?: boolean;
}

const DEADLINE_MS = 15_000;

/**
 * Opens a connection, sends `bytes`, and reads one reply.
 *
 * @param origin `http://HOST:PORT`
 * @throws when no whole reply came before the deadline
 */
export async function sendRaw(
  origin: string,
  bytes: string | Uint8Array,
  { deadlineMs = DEADLINE_MS, rest = [], hasBody = true }: RawOptions = {},
): Promise<RawReply> {
  const url = new URL(origin);
  const connection = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
  const timer = setTimeout(() => close(connection), deadlineMs);
  const sending = sendAll(connection, bytes, rest);
  try {
    return await readReply(connection, hasBody);
  } catch (error) {
    throw new Error(`No reply within ${deadlineMs} ms, or it broke off`, { cause: error });
  } finally {
    clearTimeout(timer);
    close(connection);
    await sending;
  }
}

/** The only value of a header; `undefined` when it is absent, an error when it is doubled. */
export function headerOf(reply: RawReply, name: string): string | undefined {
  const values = reply.headers.filter(([key]) => key === name).map(([, value]) => value);
  if (values.length > 1) throw new Error(`Header "${name}" came ${values.length} times`);
  return values[0];
}

/** Request line, headers and body as bytes. Nothing is added. */
export function requestBytes(
  requestLine: string,
  headers: readonly string[],
  body: string | Uint8Array = "",
): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode([requestLine, ...headers, "", ""].join("\r\n"));
  const tail = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}

export interface RequestParts {
  /** `POST` unless given. */
  readonly verb?: string;
  readonly path: string;
  readonly token?: string | undefined;
  /** By name: `undefined` takes a usual one away, a list sends it several times. */
  readonly headers: HeaderValues;
  /** None unless given. */
  readonly body?: string | Uint8Array;
}

export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request for one connection, with the headers that it needs. */
export function requestTo(origin: string, parts: RequestParts): Uint8Array<ArrayBuffer> {
  const { verb = "POST", path, token, headers, body } = parts;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const lines = Object.entries({
    "Host": new URL(origin).host,
    "Connection": "close",
    ...bytes && { "Content-Type": "application/json", "Content-Length": String(bytes.length) },
    ...token === undefined ? {} : { "Authorization": `Bearer ${token}` },
    ...headers,
  }).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}`)
  );
  return requestBytes(`${verb} ${path} HTTP/1.1`, lines, bytes);
}

/** One chunk of a chunked body. */
export function chunkBytes(data: string): string {
  return `${new TextEncoder().encode(data).length.toString(16)}\r\n${data}\r\n`;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // The deadline has closed it already.
  }
}

async function sendAll(
  connection: Deno.Conn,
  bytes: string | Uint8Array,
  rest: NonNullable<RawOptions["rest"]>,
): Promise<void> {
  try {
    await writeAll(connection, bytes);
    for await (const part of rest) await writeAll(connection, part);
  } catch {
    // A server may answer and close before it has read everything; the reply says what it meant.
  }
}

async function writeAll(connection: Deno.Conn, data: string | Uint8Array): Promise<void> {
  let bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

async function readReply(connection: Deno.Conn, hasBody: boolean): Promise<RawReply> {
  const source = createSource(connection);
  let head: string;
  let status: number;
  do {
    head = new TextDecoder("latin1").decode(await source.until("\r\n\r\n"));
    status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    if (Number.isNaN(status)) throw new Error(`Not an HTTP reply: ${head.slice(0, 80)}`);
  } while (status >= 100 && status < 200);
  const headers = head.split("\r\n").slice(1).map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const body = hasBody && status !== 204 && status !== 304
    ? await readBody(source, new Map(headers))
    : new Uint8Array(0);
  return { status, headers, head, body, text: new TextDecoder().decode(body) };
}

async function readBody(source: Source, headers: Map<string, string>): Promise<Uint8Array> {
  const length = headers.get("content-length");
  if (length !== undefined) return await source.exactly(Number(length));
  if (headers.get("transfer-encoding") !== "chunked") return await source.toEnd();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  while (true) {
    const size = parseInt(new TextDecoder().decode(await source.until("\r\n")), 16);
    const chunk = await source.exactly(size);
    await source.exactly(2);
    if (size === 0) return new Uint8Array(await new Blob(chunks).arrayBuffer());
    chunks.push(chunk);
  }
}

type Source = ReturnType<typeof createSource>;

function createSource(connection: Deno.Conn) {
  let held = new Uint8Array(0);
  let count = 0;

  async function more(): Promise<boolean> {
    const buffer = new Uint8Array(64 * 1024);
    const read = await connection.read(buffer);
    if (read === null) return false;
    if (count + read > held.length) {
      const grown = new Uint8Array(Math.max(held.length * 2, count + read));
      grown.set(held.subarray(0, count));
      held = grown;
    }
    held.set(buffer.subarray(0, read), count);
    count += read;
    return true;
  }

  function take(size: number): Uint8Array<ArrayBuffer> {
    const taken = held.slice(0, size);
    held.copyWithin(0, size, count);
    count -= size;
    return taken;
  }

  return {
    async until(mark: string): Promise<Uint8Array> {
      while (true) {
        const at = new TextDecoder("latin1").decode(held.subarray(0, count)).indexOf(mark);
        if (at >= 0) return take(at + mark.length).subarray(0, at);
        if (!(await more())) throw new Error(`The connection ended before ${JSON.stringify(mark)}`);
      }
    },
    async exactly(size: number): Promise<Uint8Array<ArrayBuffer>> {
      while (count < size) {
        if (!(await more())) {
          throw new Error(`The connection ended after ${count} of ${size} bytes`);
        }
      }
      return take(size);
    },
    async toEnd(): Promise<Uint8Array<ArrayBuffer>> {
      while (await more());
      return take(count);
    },
  };
}
