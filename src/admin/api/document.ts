/**
 * The OpenAPI document, made of the operations themselves.
 *
 * @module
 * @see OpenAPI Specification 3.1
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { NO_QUERY, type Operation, takesBody } from "./operation.ts";
import { PERMISSIONS } from "./permissions.ts";
import { problem } from "./schemas.ts";

const JSON_TYPE = "application/json";

/** @returns JSON text */
export function openApiDocument(operations: readonly Operation[], version: string): string {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  for (const operation of operations) {
    app.openAPIRegistry.registerPath(createRoute(routeOf(operation)));
  }
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Sallyport management API",
      version,
      description: "Errors are problem documents (RFC 9457). What a caller may not see is 404.",
    },
  });
  return JSON.stringify(document);
}

const METHODS = {
  GET: "get",
  POST: "post",
  PUT: "put",
  PATCH: "patch",
  DELETE: "delete",
} as const;

function routeOf(operation: Operation) {
  const { method, path, summary, status, answer, hasEtag } = operation;
  return {
    method: METHODS[method],
    path,
    summary,
    operationId: operationId(operation),
    tags: [path.split("/")[2]!],
    security: [{ bearer: [] }],
    "x-permission": PERMISSIONS.get(`${method} ${path}`),
    request: {
      ...path.includes("{") ? { params: paramsOf(path) } : {},
      ...operation.query === NO_QUERY ? {} : { query: objectOf(operation.query) },
      ...takesBody(operation)
        ? { body: { required: true, content: { [JSON_TYPE]: { schema: operation.body } } } }
        : {},
      ...method === "PATCH" || method === "DELETE" ? { headers: IF_MATCH } : {},
    },
    responses: {
      [status]: {
        description: answer === undefined ? "Done" : "What the URL stands for",
        ...answer === undefined ? {} : { content: { [JSON_TYPE]: { schema: answer } } },
        ...hasEtag ? { headers: ETAG } : {},
      },
      default: {
        description: "Refused, or failed",
        content: { "application/problem+json": { schema: problem } },
      },
    },
  };
}

function paramsOf(path: string): z.ZodObject {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  return z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
}

const ETAG = z.object({ ETag: z.string() });
const IF_MATCH = z.object({
  "If-Match": z.string().optional().openapi({
    description: "ETags of versions that may be changed; 412 for any other",
  }),
});

function objectOf(schema: z.ZodType): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema;
  throw new Error("A query is described by an object");
}

/** `GET /api/upstreams/{id}` → `getUpstreamsById` */
function operationId({ method, path }: Operation): string {
  const words = path.slice("/api/".length).split("/").map((part) =>
    part === "{id}" ? "ById" : part[0]!.toUpperCase() + part.slice(1).replace(/\W.*/, "")
  );
  return METHODS[method] + words.join("");
}
