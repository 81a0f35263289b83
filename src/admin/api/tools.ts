/**
 * `/api/tools`: REST tools, which are the gateway's own, and those that were discovered.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
import { z } from "@hono/zod-openapi";
import { flawOfHeaders } from "../../catalog/header_annotations.ts";
import { maskedAuth, maskedHeaders } from "../../catalog/secrets.ts";
import { formatDuration } from "../../domain/duration.ts";
import type { Fault } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { OwnSpec, OwnTool } from "../../domain/own_item.ts";
import { PLACES, REST_METHODS, STYLES } from "../../domain/rest_tool.ts";
import { restToolFaults } from "../../upstream/rest/tool_faults.ts";
import { listed, refuse } from "./contents.ts";
import { checkedBy } from "./input.ts";
import { createItemOperations, type ItemDeps, type ItemNoun, type Members } from "./items.ts";
import type { Operation } from "./operation.ts";
import { line, lines } from "./schemas.ts";
import { itemName } from "./server_schemas.ts";
import { auth, SECRET, timeout } from "./upstream_schemas.ts";

const URL_CHARS_MAX = 8 * 1024;
const FILTER_CHARS_MAX = 4 * 1024;
const HEADER_CHARS_MAX = 8 * 1024;
const HEADERS_MAX = 64;

const schema = z.record(z.string(), z.unknown());

const parameter = z.strictObject({
  name: z.string().min(1).max(LIMITS.jsonKeyBytes).openapi({ description: "of the argument" }),
  in: z.enum(PLACES),
  as: z.string().min(1).max(LIMITS.jsonKeyBytes).optional().openapi({
    description: "its name in the request, when that is another one",
  }),
  style: z.enum(STYLES).optional(),
  explode: z.boolean().optional(),
  whole: z.boolean().optional(),
  encoding: z.literal("base64").optional(),
  contentType: line(256).optional(),
});

export const toolMembers = {
  name: itemName,
  ...listed,
  method: z.enum(REST_METHODS),
  url: z.string().max(URL_CHARS_MAX).openapi({
    description: "{name} in path and query stands for an argument",
  }),
  headers: z.record(z.string(), z.string().max(HEADER_CHARS_MAX))
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, {
      error: `at most ${HEADERS_MAX} headers`,
    })
    .optional().openapi({ description: `Values are ${SECRET}` }),
  auth: auth.optional(),
  inputSchema: schema,
  outputSchema: schema.optional(),
  annotations: schema.optional(),
  parameters: z.array(parameter).max(LIMITS.ownParameters).optional(),
  contentType: line(256).optional().openapi({ description: "of the body" }),
  filter: z.string().min(1).max(FILTER_CHARS_MAX).optional().openapi({
    description: "JSONPath (RFC 9535) when it begins with $, else JMESPath",
  }),
  timeout: z.union([z.string(), z.number()]).optional().openapi({
    description: "longest silence of the API: a duration such as 30s, or seconds",
  }),
};

const whole = z.strictObject({
  ...toolMembers,
  timeout: timeout.optional(),
  title: line(256).optional(),
  description: lines(8192).optional(),
});

export interface ToolDeps extends ItemDeps {
  /** Why no arguments could be checked by a schema, as one sentence. */
  readonly schemaFault: (schemaText: string) => string | undefined;
}

export function createToolOperations(deps: ToolDeps): readonly Operation[] {
  return createItemOperations(deps, toolNoun(deps));
}

export function toolNoun(deps: Pick<ToolDeps, "schemaFault">): ItemNoun {
  return {
    plural: "tools",
    schema: "Tool",
    kinds: ["tool"],
    discovered: ["name"],
    members: toolMembers,
    either: [],
    specOf(given, known) {
      const tool = toolFrom(given, known);
      refuse([...restToolFaults(tool), ...schemaFaults(deps, tool), ...headerFaults(tool)]);
      return tool;
    },
    membersOf(spec) {
      if (spec.kind !== "tool") return {};
      const { kind: _, anyAddress: _own, imported: _document, timeoutMs, ...shown } = spec;
      const { headers, auth, ...members } = shown;
      return {
        ...members,
        headers: maskedHeaders(headers),
        auth: maskedAuth(auth),
        timeout: timeoutMs === undefined ? undefined : formatDuration(timeoutMs),
      };
    },
  };
}

function toolFrom(given: Members, known: OwnSpec | undefined): OwnTool {
  const tool = checkedBy(whole, given, "body");
  const { timeout: timeoutMs, headers = {}, auth = { type: "none" }, ...rest } = tool;
  const before = known?.kind === "tool" ? known : undefined;
  // What the command line has allowed is for the places that it was allowed for.
  const isSamePlace = before?.url === rest.url && tokenPlace(before.auth) === tokenPlace(auth);
  const anyAddress = isSamePlace ? before.anyAddress : undefined;
  return {
    kind: "tool",
    ...rest,
    headers,
    auth,
    timeoutMs,
    imported: before?.imported,
    anyAddress,
  };
}

function tokenPlace(auth: OwnTool["auth"]): string | undefined {
  return auth.type === "oauth_client_credentials" ? auth.tokenUrl : undefined;
}

function schemaFaults(
  { schemaFault }: Pick<ToolDeps, "schemaFault">,
  tool: OwnTool,
): readonly Fault[] {
  return (["inputSchema", "outputSchema"] as const).flatMap((path) => {
    const message = tool[path] && schemaFault(JSON.stringify(tool[path]));
    return message === undefined ? [] : [{ path, message }];
  });
}

/** Clients of the stateless era would not be shown the tool. */
function headerFaults({ inputSchema }: OwnTool): readonly Fault[] {
  const message = flawOfHeaders(inputSchema);
  return message === undefined ? [] : [{ path: "inputSchema", message }];
}
