/**
 * An OpenAPI document as it comes: an object, JSON text or YAML text.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import { isBoundedJson } from "../../domain/json_bounds.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Pace } from "../../platform/pace.ts";

export type Members = Readonly<Record<string, unknown>>;

export interface OpenApiDocument {
  readonly root: Members;
  /** Whether its schemas are those of OpenAPI 3.0, which are not quite JSON Schema. */
  readonly is30: boolean;
}

/** @throws {GatewayError} `invalid_request` for what is no OpenAPI document, `too_large` */
export async function readDocument(source: unknown, pace: Pace): Promise<OpenApiDocument> {
  const root = typeof source === "string" ? await parsed(source, pace) : source;
  if (!isBoundedJson(root, BOUNDS)) {
    throw new GatewayError("too_large", "The document is too large, or nested too deep");
  }
  if (!isMembers(root)) throw invalid("is no object");
  const { openapi } = root;
  // YAML takes `3.0` for a number.
  const text = typeof openapi === "number" ? openapi.toFixed(1) : String(openapi);
  const version = /^3\.([01])(?:\.|$)/.exec(text)?.[1];
  if (version !== undefined) return { root, is30: version === "0" };
  const other = openapi ?? root.swagger;
  if (other === undefined) throw invalid('has no member "openapi"');
  throw invalid(`is of version ${JSON.stringify(other).slice(0, 40)}; 3.0 and 3.1 are understood`);
}

const BOUNDS = { depth: LIMITS.openApiDepth, nodes: LIMITS.openApiNodes };

async function parsed(text: string, pace: Pace): Promise<unknown> {
  if (text.length > LIMITS.openApiChars) {
    throw new GatewayError("too_large", "The document is larger than 4 MiB");
  }
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    if (/^\s*\{\s*"/.test(text)) throw invalid(`is no JSON: ${messageOf(error)}`);
  }
  await pace();
  // Seldom needed, and much to load.
  const { parseYaml } = await import("./yaml_text.ts");
  try {
    return await parseYaml(text, pace);
  } catch (error) {
    throw invalid(`is neither JSON nor YAML: ${messageOf(error)}`);
  }
}

export function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).toWellFormed().slice(0, 300);
}

function invalid(what: string): GatewayError {
  return new GatewayError("invalid_request", `The document ${what}`);
}
