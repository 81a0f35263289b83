/**
 * What a request to the API brings: its query and its body, read strictly, and checked by the
 * schemas that the OpenAPI document is made of.
 *
 * @module
 */
import type { z } from "@hono/zod-openapi";
import { type Fault, FaultyRequest, GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { readBody } from "../../http/body.ts";
import { JsonScanError, scanJson } from "../../mcp/json_scan.ts";
import { nextTurn } from "../../platform/pace.ts";
import type { Timers } from "../../platform/timers.ts";

const PATH_CHARS_MAX = 200;

/** @throws {FaultyRequest} naming every place where it does not fit */
export function checkedBy<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: "query" | "body",
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap(faultsOf).slice(0, LIMITS.apiFaults);
  throw new FaultyRequest("invalid_request", `The ${what} is not what this URL takes`, faults);
}

/** @throws {FaultyRequest} for a parameter that is given twice */
export function readQuery(url: string): Readonly<Record<string, string>> {
  const query = new Map<string, string>();
  for (const [name, value] of new URL(url).searchParams) {
    if (query.has(name)) {
      throw new FaultyRequest("invalid_request", "The query is not what this URL takes", [
        { path: name.slice(0, PATH_CHARS_MAX), message: "must not be given twice" },
      ]);
    }
    query.set(name, value);
  }
  return Object.fromEntries(query);
}

const BOUNDS = {
  depth: LIMITS.jsonDepth,
  nodes: LIMITS.jsonNodes,
  keyBytes: LIMITS.jsonKeyBytes,
  uniqueNames: true,
} as const;

const LARGE_BOUNDS = { ...BOUNDS, depth: LIMITS.openApiDepth, nodes: LIMITS.openApiNodes };

/** See `Definition`. */
export interface BodyForm {
  readonly isLarge?: boolean;
  readonly isForeign?: boolean;
}

/**
 * @throws {GatewayError} `unsupported_media_type`, `too_large`, `request_timeout`,
 *   `invalid_request`
 */
export async function readJson(
  request: Request,
  timers: Timers,
  { isLarge = false, isForeign = false }: BodyForm = {},
): Promise<unknown> {
  checkContentType(request.headers);
  const announced = request.headers.get("content-length") ?? undefined;
  const bytesMax = isLarge ? LIMITS.apiImportBytes : LIMITS.apiBodyBytes;
  const limits = { bytesMax, timeoutMs: LIMITS.requestBodyMs };
  const bytes = await readBody(request, announced, limits, timers);
  try {
    scanJson(bytes, isLarge ? LARGE_BOUNDS : BOUNDS);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw new GatewayError("invalid_request", error.message);
  }
  // Of 4 MiB each of the two takes tens of milliseconds.
  if (isLarge) await nextTurn();
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return isForeign ? JSON.parse(text) : parseStrictly(text);
}

/** @throws {GatewayError} for a member that is called `__proto__`, however it is written */
export function parseStrictly(text: string): unknown {
  // To ask about each name takes ten times as long as reading it.
  const mayBeThere = text.length < SHORT_CHARS || /__proto__|\\u00/i.test(text);
  return mayBeThere ? JSON.parse(text, refuseProto) : JSON.parse(text);
}

const SHORT_CHARS = 64 * 1024;

/** Schemas pass this name over in silence, and careless code takes it for more than a name. */
function refuseProto(name: string, value: unknown): unknown {
  if (name !== "__proto__") return value;
  throw new GatewayError("invalid_request", 'No member can be called "__proto__"');
}

function checkContentType(headers: Headers): void {
  const type = headers.get("content-type") ?? "";
  if (!/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    throw new GatewayError("unsupported_media_type", "The body must be application/json in UTF-8");
  }
  if (headers.has("content-encoding")) {
    throw new GatewayError("unsupported_media_type", "The body must not be compressed");
  }
}

/** What is wrong, without what was sent: that may be a secret. */
function faultsOf(issue: z.core.$ZodIssue): readonly Fault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => fault([...issue.path, key], "is not known, or cannot be set"));
  }
  return [fault(issue.path, issue.message)];
}

function fault(path: readonly PropertyKey[], message: string): Fault {
  return { path: path.map(String).join(".").slice(0, PATH_CHARS_MAX), message };
}
