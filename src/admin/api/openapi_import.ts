/**
 * `/api/tools/import/openapi`: OpenAPI documents as REST tools.
 *
 * @module
 * @see contract.md, sections 6 and 8, "OpenAPI import"
 */
import { z } from "@hono/zod-openapi";
import type { ImportService } from "../../catalog/openapi/import_service.ts";
import { LIMITS } from "../../domain/limits.ts";
import { audienceFrom } from "./items.ts";
import { NO_QUERY, type Operation, operation } from "./operation.ts";
import { audience, line } from "./schemas.ts";
import { auth } from "./upstream_schemas.ts";

const SELECTION_MAX = 1000;
const URL_CHARS_MAX = 8 * 1024;

const selected = z.array(z.string().max(1024)).max(SELECTION_MAX).optional();
const selection = z.strictObject({
  tags: selected,
  paths: selected.openapi({ description: "as in the document; * for any run of characters" }),
  methods: selected,
}).openapi({ description: "all that is given has to fit; of a list, one" });

const url = z.string().max(URL_CHARS_MAX);

const request = z.strictObject({
  document: z.union([z.string(), z.record(z.string(), z.unknown())]).optional().openapi({
    description: "OpenAPI 3.0 or 3.1: an object, or JSON or YAML text",
  }),
  url: url.optional().openapi({ description: "where the document is" }),
  include: selection.optional(),
  exclude: selection.optional(),
  prefix: line(32).optional().openapi({ description: "put before each name" }),
  baseUrl: url.optional().openapi({ description: "in place of the servers that it names" }),
  auth: auth.optional().openapi({ description: "for the operations that want credentials" }),
  ...audience,
}).refine(({ document, url }) => (document === undefined) !== (url === undefined), {
  error: "must hold either document or url",
}).openapi("OpenApiImport");

const named = z.object({ id: z.string(), name: z.string() });

const report = z.object({
  created: z.array(named),
  changed: z.array(named.extend({ members: z.array(z.string()) })),
  removed: z.array(named),
  unchanged: z.number().int(),
  skipped: z.array(z.object({
    method: z.string(),
    path: z.string(),
    operationId: z.string().optional(),
    reason: z.string(),
  })).openapi({ description: "operations that became no tool" }),
  excluded: z.number().int(),
  notes: z.array(z.object({ tool: z.string(), note: z.string() })).openapi({
    description: "what tools leave out of their operations",
  }),
  security: z.array(z.object({
    scheme: z.string(),
    auth: z.looseObject({ type: z.string() }).optional(),
    missing: z.array(z.string()),
    note: z.string().optional(),
    tools: z.array(z.string()),
  })).openapi({ description: "credentials to be filled in" }),
}).openapi("OpenApiImportReport");

export function createImportOperations(
  { imports }: { readonly imports: ImportService },
): readonly Operation[] {
  return [
    operation({
      method: "POST",
      path: "/api/tools/import/openapi",
      summary: `Makes tools of an OpenAPI document of up to ${
        LIMITS.openApiChars / 2 ** 20
      } MiB; again, it finds them by their names`,
      query: NO_QUERY,
      body: request,
      isLarge: true,
      isForeign: true,
      status: 200,
      answer: report,
      handle: async ({ body: { visibility, teamId, owner, ...body }, principal }) => {
        const audience = audienceFrom({ visibility, teamId, owner });
        return { status: 200, body: await imports.run({ ...body, audience }, principal) };
      },
    }),
  ];
}
