/**
 * REST tools: an operation of an HTTP API that is called as a tool.
 *
 * @module
 * @see contract.md, sections 6 and 8, "REST tools"
 */
import type { UpstreamAuth } from "./server.ts";

export const REST_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
export type RestMethod = typeof REST_METHODS[number];

export const PLACES = ["path", "query", "header", "body", "form"] as const;
/** Where an argument stands in the request; `form` for forms of both kinds. */
export type ParameterPlace = typeof PLACES[number];

export const STYLES = [
  "simple",
  "label",
  "matrix",
  "form",
  "spaceDelimited",
  "pipeDelimited",
  "deepObject",
] as const;
/** @see OpenAPI 3.1.1, "Style Values" */
export type ParameterStyle = typeof STYLES[number];

/** Where one argument goes, unless that follows from method and URL. */
export interface RestParameter {
  /** Of the argument: a member of `properties` of the input schema. */
  readonly name: string;
  readonly in: ParameterPlace;
  /** Its name in the request, when that is another one. */
  readonly as?: string | undefined;
  readonly style?: ParameterStyle | undefined;
  readonly explode?: boolean | undefined;
  /** In the body: the argument is all of it. */
  readonly whole?: boolean | undefined;
  /** The argument is base64 text, and its bytes are sent: all of the body, or a part of a form. */
  readonly encoding?: "base64" | undefined;
  /** Of its part of a multipart form; elsewhere `application/json` to send it as JSON text. */
  readonly contentType?: string | undefined;
}

export interface RestTool {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly method: RestMethod;
  /** `{name}` in path and query stands for an argument. */
  readonly url: string;
  /** Sent with every request. Values are secrets. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly auth?: UpstreamAuth | undefined;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly outputSchema?: Readonly<Record<string, unknown>> | undefined;
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
  readonly parameters?: readonly RestParameter[] | undefined;
  /** Of the body; JSON unless it is given, or arguments are in a form. */
  readonly contentType?: string | undefined;
  /** JSONPath (RFC 9535) when it begins with `$`, else JMESPath. */
  readonly filter?: string | undefined;
  /** Longest silence of the API; overrides `TOOL_TIMEOUT`. */
  readonly timeoutMs?: number | undefined;
  /** Of a tool that an OpenAPI document made. */
  readonly imported?: Imported | undefined;
  /** Made by whoever runs the gateway, at the command line: the egress policy is not asked. */
  readonly anyAddress?: boolean | undefined;
}

/** What the document said when it was last imported: whatever differs now was changed here. */
export interface Imported {
  /** Which document. */
  readonly from: string;
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly annotations?: RestTool["annotations"];
}

/** Whether carrying it out twice does no harm, by what HTTP says of the method. */
export function isSafeMethod(method: RestMethod): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether arguments without a place of their own go into the query. */
export function isQueryMethod(method: RestMethod): boolean {
  return isSafeMethod(method) || method === "DELETE";
}

/** The members of `properties`, as an object schema has them. */
export function propertiesOf(schema: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const { properties } = schema;
  const isObject = typeof properties === "object" && properties !== null;
  return new Set(isObject ? Object.keys(properties) : []);
}
