/**
 * Upstream servers as the API takes and shows them.
 *
 * @module
 * @see contract.md, section 6
 */
import { z } from "@hono/zod-openapi";
import { parseDuration } from "../../domain/duration.ts";
import { isHeaderValue, isPassable, isSettable } from "../../upstream/header_fields.ts";
import { audience, dropped, instant, itemKind, line, visibility } from "./schemas.ts";

export const SECRET = "write-only: reads as *****, which sent back keeps it";
const HEADERS_MAX = 64;
/** All of a request's headers have 16 KiB at most servers. */
const HEADER_CHARS_MAX = 8 * 1024;
const URL_CHARS_MAX = 2048;
const TIMEOUT_MIN = "100ms";
const TIMEOUT_MAX = "24h";
const WRONG_DURATION =
  `must be a duration from ${TIMEOUT_MIN} to ${TIMEOUT_MAX}, such as 30s or 5m`;

/** Where it may lead is for the egress policy, which has an answer of its own. */
const url = z.string().max(URL_CHARS_MAX).refine((text) => URL.canParse(text), {
  error: "must be an absolute URL",
});

const headerName = z.string().refine(isSettable, { error: "the header cannot be set here" });
const headerValue = z.string().max(HEADER_CHARS_MAX).refine(isHeaderValue, {
  error: "must be printable ASCII",
});
const credential = headerValue.min(1).openapi({ description: SECRET });

const headers = z.record(z.string(), headerValue).superRefine((all, context) => {
  const names = Object.keys(all);
  const fault = (name: string, message: string) =>
    context.addIssue({ code: "custom", path: [name], message });
  if (names.length > HEADERS_MAX) {
    context.addIssue({ code: "custom", message: `at most ${HEADERS_MAX} headers` });
  }
  const seen = new Set<string>();
  for (const name of names) {
    if (!isSettable(name)) fault(name, "the header cannot be set here");
    if (seen.has(name.toLowerCase())) fault(name, "is there twice");
    seen.add(name.toLowerCase());
  }
}).openapi({ description: `Values are ${SECRET}` });

const username = line(HEADER_CHARS_MAX).refine((text) => !text.includes(":"), {
  error: "must not hold a colon",
});

/** RFC 8707, section 2. */
const resource = z.string().max(URL_CHARS_MAX)
  .refine((text) => URL.canParse(text) && !text.includes("#") && isHeaderValue(text), {
    error: "must be an absolute URI without a fragment",
  });

export const auth = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("none") }),
  z.strictObject({
    type: z.literal("bearer"),
    token: credential.refine((text) => !text.includes(" "), { error: "must not hold spaces" }),
  }),
  z.strictObject({
    type: z.literal("basic"),
    username,
    password: line(HEADER_CHARS_MAX).openapi({ description: SECRET }),
  }),
  z.strictObject({ type: z.literal("header"), name: headerName, value: credential }),
  z.strictObject({
    type: z.literal("oauth_client_credentials"),
    tokenUrl: url,
    clientId: headerValue.min(1),
    clientSecret: credential,
    scope: headerValue.min(1).optional(),
    resource: resource.optional(),
  }),
]);

export const timeout = z.union([z.string(), z.number()], { error: WRONG_DURATION })
  .transform((value, context) => {
    const ms = durationOf(String(value));
    if (ms >= parseDuration(TIMEOUT_MIN) && ms <= parseDuration(TIMEOUT_MAX)) return ms;
    context.addIssue({ code: "custom", message: WRONG_DURATION });
    return z.NEVER;
  })
  .openapi({ description: "longest silence in a call: seconds, or a text such as 30s or 5m" });

const type = z.enum(["http", "sse"], {
  error: ({ input }) =>
    input === "stdio"
      ? 'An upstream server of the type "stdio" can be declared in the config file only'
      : "must be http or sse",
}).openapi({ description: "http when none is given at first" });

const settings = {
  type: type.optional(),
  title: line(256).nullish(),
  headers: headers.nullish(),
  auth: auth.nullish(),
  ...audience,
  passthroughHeaders: z.array(
    z.string().refine(isPassable, { error: "the header is never passed through" })
      .transform((name) => name.toLowerCase()),
  ).max(HEADERS_MAX).nullish(),
  timeout: timeout.nullish(),
  enabled: z.boolean().optional(),
  expose: z.boolean().optional().openapi({ description: "whether /mcp shows what it offers" }),
  tags: z.array(line(64)).max(64).nullish(),
};

export const newUpstream = z.strictObject({ name: line(128), url, ...settings })
  .openapi("NewUpstream");

export const upstreamChange = z.strictObject({
  name: line(128).optional(),
  url: url.optional(),
  ...settings,
}).openapi("UpstreamChange");

export const upstreamRecord = z.object({
  id: z.string(),
  slug: z.string().openapi({ description: "of /servers/{slug}/mcp" }),
  name: z.string(),
  title: z.string().optional(),
  type: z.enum(["http", "sse", "stdio"]),
  url: z.string().optional(),
  command: z.string().optional().openapi({ description: "of stdio: the program, no more of it" }),
  headers: z.record(z.string(), z.string()).optional(),
  auth: auth.optional(),
  visibility,
  teamId: z.string().optional(),
  owner: z.string().optional(),
  passthroughHeaders: z.array(z.string()),
  timeout: z.string().optional(),
  enabled: z.boolean(),
  expose: z.boolean(),
  tags: z.array(z.string()),
  declared: z.boolean().openapi({ description: "from the config file: read-only here" }),
  status: z.string().openapi({
    description: "unknown, connecting, connected, unreachable, disabled",
  }),
  protocolRevision: z.string().nullable(),
  capabilities: z.record(z.string(), z.unknown()).nullable(),
  lastSeenAt: instant.nullable(),
  lastError: z.string().optional(),
  dropped: dropped.optional(),
  createdAt: instant,
  updatedAt: instant,
}).openapi("Upstream");

const names = z.array(z.object({ kind: itemKind, name: z.string() }));

export const refreshed = z.object({
  status: z.string(),
  error: z.string().optional(),
  protocolRevision: z.string().nullable(),
  capabilities: z.record(z.string(), z.unknown()).nullable(),
  found: z.object({
    tools: z.number().int(),
    prompts: z.number().int(),
    resources: z.number().int(),
    templates: z.number().int(),
  }),
  added: names,
  changed: names,
  missing: names.openapi({ description: "not found any more: hidden, and forgotten later" }),
  restored: names,
  removed: names,
  dropped,
}).openapi("Refreshed");

export const tested = z.object({
  status: z.enum(["connected", "unreachable"]),
  error: z.string().optional(),
  protocolRevision: z.string().nullable(),
  capabilities: z.record(z.string(), z.unknown()).nullable(),
  tools: z.array(z.string()),
  prompts: z.array(z.string()),
  resources: z.array(z.string()),
  templates: z.array(z.string()),
  dropped,
}).openapi("Tested");

/** `NaN` for what is none. */
function durationOf(text: string): number {
  if (text.length > 32) return NaN;
  try {
    return parseDuration(text);
  } catch {
    return NaN;
  }
}
