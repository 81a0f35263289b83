/**
 * What is made of the record of a REST tool once, for all of its calls.
 *
 * @module
 */
import type { RestTool } from "../../domain/rest_tool.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import { type DialTarget, targetOf } from "../../platform/dial.ts";
import { fixedHeaders } from "../credentials.ts";
import { compileFilter } from "./filter.ts";
import type { LinearPatterns } from "./json_path.ts";
import type { ReplyRules } from "./reply.ts";
import { type Arguments, compileRequest, type RestRequest } from "./request.ts";
import { isOwnHeader } from "./request_headers.ts";

export interface Prepared {
  readonly request: (args: Arguments) => RestRequest;
  /** Scheme, host and port of the API. */
  readonly url: URL;
  readonly target: DialTarget;
  /** Header lines that are the same in every call. */
  readonly fixed: string;
  readonly access: Access;
  readonly rules: ReplyRules;
}

/** What tokens are for: shared by all tools that present the same credentials. */
export interface Access {
  readonly auth: UpstreamAuth;
  readonly anyAddress: boolean;
}

/**
 * What is wrong with a reply, as one sentence.
 * @param schemaKey stands for the schema for as long as it exists
 */
export type CheckOutput = (
  schemaKey: object,
  schema: string,
  value: unknown,
) => string | undefined;

export interface PrepareDeps {
  readonly patterns: LinearPatterns;
  readonly checkOutput: CheckOutput;
  readonly accessOf: (auth: UpstreamAuth, anyAddress: boolean) => Access;
  readonly userAgent: string;
}

/** @throws {Error} for a record that `restToolFaults` finds faults with */
export function prepare(tool: RestTool, deps: PrepareDeps): Prepared {
  const { auth = { type: "none" }, headers = {}, filter, outputSchema, anyAddress = false } = tool;
  const url = new URL(new URL(tool.url).origin);
  const { lines, names } = fixedHeaders({ headers, auth });
  const own = Object.entries(headers).filter(([name]) => isOwnHeader(name));
  const accept = own.find(([name]) => /^accept$/i.test(name))?.[1] ?? ACCEPT;
  const schema = JSON.stringify(outputSchema);
  return {
    request: compileRequest(tool, names),
    url,
    target: targetOf(url),
    fixed: `Host: ${url.host}\r\nAccept-Encoding: identity\r\nAccept: ${accept}\r\n` +
      (names.has("user-agent") ? "" : `User-Agent: ${deps.userAgent}\r\n`) + lines,
    access: deps.accessOf(auth, anyAddress),
    rules: {
      name: tool.name,
      hostname: url.hostname,
      filter: filter === undefined ? undefined : compileFilter(filter, deps.patterns),
      outputFault: outputSchema && ((value) => deps.checkOutput(outputSchema, schema, value)),
    },
  };
}

const ACCEPT = "application/json, */*;q=0.5";
