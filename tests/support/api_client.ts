/**
 * The management API as an administrator's program uses it.
 *
 * @module
 */
import { mintToken } from "./tokens.ts";

// deno-lint-ignore no-explicit-any
export type Loose = any;

export interface ApiReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `undefined` without a body. */
  readonly json: Loose;
}

export interface ApiCall {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of an administrator's; empty for none. */
  readonly token?: string;
}

export interface Api {
  /** @param path below `/api` */
  readonly call: (method: string, path: string, call?: ApiCall) => Promise<ApiReply>;
  /** As `call`, and @throws for any status but a good one. */
  readonly must: (method: string, path: string, body?: unknown) => Promise<ApiReply>;
  /** Records of a list, all pages of it. */
  readonly all: (path: string) => Promise<Loose[]>;
}

/** @param where gives the gateway's origin: it may change with a restart */
export async function openApi(where: () => string): Promise<Api> {
  const admin = await adminToken();

  async function call(method: string, path: string, options: ApiCall = {}): Promise<ApiReply> {
    const { body, headers = {}, token = admin } = options;
    const response = await fetch(`${where()}/api${path}`, {
      method,
      headers: {
        ...token === "" ? {} : { Authorization: `Bearer ${token}` },
        ...body === undefined ? {} : { "Content-Type": "application/json" },
        ...headers,
      },
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
    const text = await response.text();
    const { status } = response;
    const json = text === "" ? undefined : JSON.parse(text);
    return { status, headers: response.headers, text, json };
  }

  async function must(method: string, path: string, body?: unknown): Promise<ApiReply> {
    const reply = await call(method, path, { body });
    if (reply.status < 300) return reply;
    throw new Error(`${method} ${path} gave ${reply.status}: ${reply.text}`);
  }

  return {
    call,
    must,
    async all(path) {
      const records: Loose[] = [];
      let cursor: string | undefined;
      do {
        const mark = path.includes("?") ? "&" : "?";
        const query = cursor === undefined ? "" : `${mark}cursor=${encodeURIComponent(cursor)}`;
        const { json } = await must("GET", `${path}${query}`);
        records.push(...json.items);
        cursor = json.nextCursor;
      } while (cursor !== undefined);
      return records;
    },
  };
}

export function adminToken(): Promise<string> {
  return mintToken({ sub: "root@example.com", is_admin: true });
}
