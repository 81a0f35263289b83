/**
 * One operation as one tool.
 *
 * @module
 * @see OpenAPI 3.1.1, "Operation Object"
 */
import { LIMITS } from "../../domain/limits.ts";
import { isSafeMethod, type RestMethod, type RestTool } from "../../domain/rest_tool.ts";
import { addBody } from "./body.ts";
import { isMembers, type Members } from "./document.ts";
import type { Draft } from "./draft.ts";
import { addParameters } from "./parameters.ts";
import { Inexpressible, type References } from "./references.ts";
import { createSchemaWriter, type Detail, DETAILS, SchemaTooLarge } from "./schema.ts";

export interface OperationSource {
  readonly method: RestMethod;
  readonly path: string;
  readonly ofPath: Members;
  readonly operation: Members;
}

export interface OperationContext {
  readonly references: References;
  readonly is30: boolean;
  readonly name: string;
  /** The path behind its server; `{name}` stands for a parameter. */
  readonly url: string;
}

export interface OperationTool {
  readonly tool: RestTool;
  readonly notes: string[];
}

/** @throws {Inexpressible} */
export function operationTool(source: OperationSource, context: OperationContext): OperationTool {
  for (const [i, detail] of DETAILS.entries()) {
    try {
      const draft = draftOf(source, context, detail);
      if (i > 1) {
        draft.notes.push("Its schemas are too large: their inner parts are left out");
      }
      return { tool: toolOf(source, context, draft), notes: draft.notes };
    } catch (error) {
      if (!(error instanceof SchemaTooLarge)) throw error;
    }
  }
  throw new Inexpressible("Its schemas are too large");
}

function draftOf(
  { method, ofPath, operation }: OperationSource,
  { references, is30 }: OperationContext,
  detail: Detail,
): Draft {
  const draft: Draft = {
    references,
    schemas: createSchemaWriter(references, detail, is30),
    is30,
    properties: new Map(),
    required: new Set(),
    parameters: [],
    additional: false,
    contentType: undefined,
    notes: [],
  };
  addParameters(draft, ofPath.parameters, operation.parameters);
  addBody(draft, operation.requestBody, !isSafeMethod(method));
  if (draft.properties.size > LIMITS.importedArguments) {
    throw new Inexpressible("It has too many arguments");
  }
  if (isMembers(operation.callbacks)) draft.notes.push("Its callbacks are not received");
  return draft;
}

function toolOf(
  { method, path, operation }: OperationSource,
  { name, url }: OperationContext,
  draft: Draft,
): RestTool {
  const definitions = draft.schemas.definitions();
  const title = textOf(operation.summary, 200);
  const description = textOf(operation.description, LIMITS.importedDescriptionChars) ?? title ??
    `${method} ${path}`;
  return {
    name,
    ...title === undefined ? {} : { title },
    description,
    method,
    url,
    inputSchema: {
      type: "object",
      properties: Object.fromEntries(draft.properties),
      ...draft.required.size === 0 ? {} : { required: [...draft.required] },
      additionalProperties: draft.additional,
      ...definitions === undefined ? {} : { $defs: definitions },
    },
    ...HINTS[method] === undefined ? {} : { annotations: HINTS[method] },
    parameters: draft.parameters,
    ...draft.contentType === undefined ? {} : { contentType: draft.contentType },
  };
}

/** What HTTP says of methods (RFC 9110, section 9.2). */
const HINTS: Readonly<Partial<Record<RestMethod, Readonly<Record<string, boolean>>>>> = {
  GET: { readOnlyHint: true },
  HEAD: { readOnlyHint: true },
  PUT: { idempotentHint: true },
  DELETE: { destructiveHint: true, idempotentHint: true },
};

function textOf(value: unknown, max: number): string | undefined {
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const text = value.trim();
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;
}
