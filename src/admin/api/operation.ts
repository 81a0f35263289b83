/**
 * One operation of the API: what it takes and gives, as schemas, and what it does.
 *
 * The same schemas check requests and make the OpenAPI document.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Precondition } from "../../catalog/editing.ts";
import type { Principal } from "../../domain/principal.ts";
import { checkedBy } from "./input.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What every operation knows of its request. */
export interface Caller {
  readonly principal: Principal;
  /** `{id}` of the path; empty where there is none. */
  readonly id: string;
  /** `{email}` of the path; empty where there is none. */
  readonly email: string;
  /** What `If-Match` says. */
  readonly isExpected: Precondition;
}

export interface Call<Query, Body> extends Caller {
  readonly query: Query;
  readonly body: Body;
}

export interface Answer {
  readonly status: 200 | 201 | 204;
  readonly body?: unknown;
  /** The body as JSON text, where it is at hand. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Definition<Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: Method;
  /** With `{id}` for the variable part. */
  readonly path: string;
  /** One sentence for the document. */
  readonly summary: string;
  readonly query: Query;
  /** `NO_BODY` for none. */
  readonly body: Body;
  /** Whether its body may hold a whole document. */
  readonly isLarge?: boolean;
  /** Whether that is another system's, in which a member may be called `__proto__`. */
  readonly isForeign?: boolean;
  readonly status: Answer["status"];
  /** Of the body of the answer; `undefined` for none. */
  readonly answer: z.ZodType | undefined;
  /** Whether the answer has an `ETag`. */
  readonly hasEtag?: boolean;
  readonly handle: (call: Call<z.output<Query>, z.output<Body>>) => Answer | Promise<Answer>;
}

export interface RawInput extends Caller {
  readonly query: Readonly<Record<string, string>>;
  /** Reads the body; only called where one is taken. */
  readonly readBody: () => Promise<unknown>;
}

/** A definition whose types are settled: what is taken is checked before it is handled. */
export interface Operation extends Omit<Definition<z.ZodType, z.ZodType>, "handle"> {
  readonly run: (input: RawInput) => Promise<Answer>;
}

export const NO_QUERY = z.strictObject({});
export const NO_BODY = z.undefined();

/** A missing body has no schema in the document, and is not read. */
export function takesBody({ body }: Pick<Operation, "body">): boolean {
  return body !== NO_BODY;
}

export function operation<Query extends z.ZodType, Body extends z.ZodType>(
  { handle, ...definition }: Definition<Query, Body>,
): Operation {
  return {
    ...definition,
    async run({ query, readBody, ...caller }) {
      const checkedQuery = checkedBy(definition.query, query, "query");
      const given = takesBody(definition) ? await readBody() : undefined;
      const body = checkedBy(definition.body, given, "body");
      return await handle({ ...caller, query: checkedQuery, body });
    },
  };
}
