/**
 * OpenAPI documents as REST tools, with a report of what a tool cannot do.
 *
 * Nothing is fetched, and nothing is kept: whoever asks knows what there was before (`diff.ts`).
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */
import { FaultyRequest, GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { REST_METHODS, type RestMethod, type RestTool } from "../../domain/rest_tool.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import type { Pace } from "../../platform/pace.ts";
import { restToolFaults } from "../../upstream/rest/tool_faults.ts";
import { isMembers, type Members, readDocument } from "./document.ts";
import { toolName } from "./names.ts";
import { operationTool } from "./operation.ts";
import { createReferences, Inexpressible, type References } from "./references.ts";
import { createSecurityReader, type SchemeToFill, type SecurityReader } from "./security.ts";
import { createSelector, type Selection } from "./selection.ts";
import { type Base, baseOf, serverOf } from "./servers.ts";

export interface ImportOptions {
  readonly include?: Selection | undefined;
  readonly exclude?: Selection | undefined;
  /** Put before each name. */
  readonly prefix?: string | undefined;
  /** In place of all servers that the document names. */
  readonly baseUrl?: string | undefined;
  /** For the operations that want credentials. */
  readonly auth?: UpstreamAuth | undefined;
  /** Where the document was found: relative servers are relative to it. */
  readonly documentUrl?: string | undefined;
}

export interface Imported {
  /** Names the document: a later import of the same finds its tools by it. */
  readonly from: string;
  /** In the order of the document; names are unique. */
  readonly tools: readonly RestTool[];
  /** Operations that cannot become tools. */
  readonly skipped: readonly Skipped[];
  /** How many were not asked for. */
  readonly excluded: number;
  /** What tools leave out of their operations. */
  readonly notes: readonly Note[];
  readonly security: readonly SchemeToFill[];
}

export interface Skipped {
  readonly method: string;
  readonly path: string;
  readonly operationId?: string;
  readonly reason: string;
}

export interface Note {
  readonly tool: string;
  readonly note: string;
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly ofPath: Members;
  readonly operation: Members;
}

/**
 * @param source an object, JSON text or YAML text
 * @param pace asked between operations
 * @throws {GatewayError} `invalid_request`, `too_large` for what is no document
 * @throws {FaultyRequest} for options that cannot be used
 */
export async function importOpenApi(
  source: unknown,
  options: ImportOptions,
  pace: Pace,
): Promise<Imported> {
  const ownBase = checkOptions(options);
  const { root, is30 } = await readDocument(source, pace);
  const references = createReferences(root);
  const security = createSecurityReader(references, root, baseForTokens(root, ownBase, options));
  const found: Finding = { tools: [], skipped: [], notes: [], names: new Set() };
  const isSelected = createSelector(options.include, options.exclude);
  let operations = 0;
  let excluded = 0;
  for (const each of operationsOf(root, references, found)) {
    await pace();
    const tags = Array.isArray(each.operation.tags) ? each.operation.tags.map(String) : [];
    if (!isSelected({ ...each, tags })) {
      excluded++;
      continue;
    }
    if (++operations > LIMITS.openApiOperations) {
      throw new GatewayError("too_large", "The document has too many operations for one import");
    }
    addTool(found, each, { root, is30, references, security, ownBase, options });
  }
  noteWebhooks(root, found);
  return {
    from: JSON.stringify([isMembers(root.info) ? root.info.title : "", options.prefix ?? ""]),
    tools: found.tools,
    skipped: found.skipped,
    excluded,
    notes: found.notes,
    security: security.schemes(),
  };
}

interface Finding {
  readonly tools: RestTool[];
  readonly skipped: Skipped[];
  readonly notes: Note[];
  readonly names: Set<string>;
}

interface Source {
  readonly root: Members;
  readonly is30: boolean;
  readonly references: References;
  readonly security: SecurityReader;
  readonly ownBase: Base | undefined;
  readonly options: ImportOptions;
}

function addTool(found: Finding, each: Operation, source: Source): void {
  const { root, security, ownBase, options } = source;
  const { method, path, ofPath, operation } = each;
  const { prefix = "", documentUrl } = options;
  try {
    if (!isMethod(method)) throw new Inexpressible(`Tools cannot use the method ${method}`);
    const servers = [operation.servers, ofPath.servers, root.servers];
    const base = ownBase ?? serverOf(servers, documentUrl);
    const { operationId } = operation;
    const name = toolName({ operationId, method, path, prefix }, found.names);
    const made = operationTool({ ...each, method }, { ...source, name, url: `${base}${path}` });
    const [fault] = restToolFaults(made.tool);
    if (fault !== undefined) throw new Inexpressible(`Its ${fault.path} ${fault.message}`);
    found.names.add(name);
    const wants = security.note(name, operation.security ?? root.security);
    const auth = wants ? options.auth : undefined;
    found.tools.push({ ...made.tool, ...auth === undefined ? {} : { auth } });
    if (operationId !== undefined && name !== `${prefix}${operationId}`) {
      made.notes.unshift(`Its operationId is ${JSON.stringify(operationId).slice(0, 200)}`);
    }
    for (const note of made.notes) found.notes.push({ tool: name, note });
  } catch (error) {
    if (!(error instanceof Inexpressible)) throw error;
    found.skipped.push(skippedOf(each, error.message));
  }
}

function skippedOf({ method, path, operation }: Operation, reason: string): Skipped {
  const { operationId } = operation;
  return { method, path, ...typeof operationId === "string" ? { operationId } : {}, reason };
}

function* operationsOf(
  root: Members,
  references: References,
  found: Finding,
): Generator<Operation> {
  const paths = isMembers(root.paths) ? root.paths : {};
  for (const [path, item] of Object.entries(paths)) {
    if (!path.startsWith("/")) continue;
    const ofPath = pathItemOf(item, path, references, found);
    for (const [verb, operation] of Object.entries(ofPath ?? {})) {
      const method = verb.toUpperCase();
      if (!VERBS.has(method) || !isMembers(operation)) continue;
      yield { method, path, ofPath: ofPath!, operation };
    }
  }
}

const VERBS: ReadonlySet<string> = new Set([...REST_METHODS, "OPTIONS", "TRACE"]);

function pathItemOf(
  item: unknown,
  path: string,
  references: References,
  found: Finding,
): Members | undefined {
  try {
    const target = references.resolve(item);
    return isMembers(target) ? target : undefined;
  } catch (error) {
    if (!(error instanceof Inexpressible)) throw error;
    found.skipped.push({ method: "*", path, reason: error.message });
    return undefined;
  }
}

function noteWebhooks({ webhooks }: Members, { skipped }: Finding): void {
  for (const name of isMembers(webhooks) ? Object.keys(webhooks) : []) {
    skipped.push({ method: "*", path: name, reason: "A webhook is called by the API" });
  }
}

function isMethod(method: string): method is RestMethod {
  return REST_METHODS.some((one) => one === method);
}

function checkOptions({ baseUrl, prefix }: ImportOptions): Base | undefined {
  if (prefix !== undefined && !/^[A-Za-z0-9_-]{0,32}$/.test(prefix)) {
    const message = "must be up to 32 letters, digits, _ and -";
    throw new FaultyRequest("invalid_request", "The prefix cannot be used", [
      { path: "prefix", message },
    ]);
  }
  if (baseUrl === undefined) return undefined;
  try {
    return baseOf(baseUrl);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new FaultyRequest("invalid_request", "The base URL cannot be used", [
      { path: "baseUrl", message },
    ]);
  }
}

/** What a token endpoint may be relative to. */
function baseForTokens(
  root: Members,
  ownBase: Base | undefined,
  { documentUrl }: ImportOptions,
): URL | undefined {
  try {
    return new URL(ownBase ?? serverOf([root.servers], documentUrl));
  } catch (error) {
    if (error instanceof Inexpressible) return undefined;
    throw error;
  }
}
