/**
 * Arguments of a call to the parts of its request, by a plan that is made once for each tool.
 *
 * @module
 */
import type { ParameterPlace, RestTool } from "../../domain/rest_tool.ts";
import { type Plan, planOf } from "./plan.ts";
import { refused } from "./refused.ts";
import { requestBody } from "./request_body.ts";
import { headerLines } from "./request_headers.ts";
import { type Given, requestTarget } from "./request_url.ts";

export type Arguments = Readonly<Record<string, unknown>>;

export interface RestRequest {
  /** Path and query. */
  readonly target: string;
  /** Header lines that belong to this call, each ended by CRLF. */
  readonly headers: string;
  readonly body: Uint8Array | undefined;
}

/**
 * @param taken lower-cased names of headers that no argument may set
 * @returns makes the request of one call
 * @throws {Error} for a URL that is none
 * @throws {GatewayError} what it returns: `invalid_params`
 */
export function compileRequest(
  tool: RestTool,
  taken: ReadonlySet<string>,
): (args: Arguments) => RestRequest {
  const plan = planOf(tool);
  const mayHaveBody = tool.method !== "GET" && tool.method !== "HEAD";
  return (args) => {
    const given = givenIn(plan, args);
    const target = requestTarget(plan, args, given.query);
    let headers = headerLines(given.header, taken);
    const inBody = [...given.body, ...given.form];
    const extra = hasWhole(given.body) && given.body.find(({ place }) => !place.whole);
    if (extra) throw refused(extra.place.name, "has no place in the request");
    if (!mayHaveBody) return { target, headers, body: undefined };
    if (!plan.hasBody && inBody.length === 0) return { target, headers, body: NONE };
    const { type, bytes } = requestBody(plan.contentType, inBody);
    headers += `Content-Type: ${type}\r\n`;
    return { target, headers, body: bytes };
  };
}

function hasWhole(given: readonly Given[]): boolean {
  return given.some(({ place }) => place.whole);
}

const NONE = new Uint8Array();

/** Arguments by place, without those that stand in the URL. */
function givenIn(plan: Plan, args: Arguments): Record<ParameterPlace, Given[]> {
  const given: Record<ParameterPlace, Given[]> = {
    path: [],
    query: [],
    header: [],
    body: [],
    form: [],
  };
  for (const [name, value] of Object.entries(args)) {
    const place = plan.placed.get(name) ?? plan.placeOf(name);
    if (value === undefined || plan.inUrl.get(place.as) === place) continue;
    given[place.in].push({ place, value });
  }
  return given;
}
