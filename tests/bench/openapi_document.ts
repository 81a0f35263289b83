/**
 * A large OpenAPI document, made up: collections with ten operations each, which share parameters,
 * and bodies whose schemas refer to each other.
 *
 * @module
 */

type Json = Readonly<Record<string, unknown>>;

/** @param operations a multiple of ten */
export function largeDocument(operations: number): Json {
  const names = Array.from({ length: operations / 10 }, (_, at) => `thing${at}`);
  return {
    openapi: "3.1.0",
    info: { title: "Very many things", version: "1.0.0" },
    servers: [{ url: "https://things.example.com/v1" }],
    paths: Object.assign({}, ...names.map(pathsOf)),
    components: {
      schemas: Object.assign({}, ...names.map((name, at) => schemasOf(name, names[at - 1]))),
      parameters: {
        limit: {
          name: "limit",
          in: "query",
          description: "At most so many",
          schema: { type: "integer", minimum: 1, maximum: 100, default: 20 },
        },
        cursor: { name: "cursor", in: "query", schema: { type: "string" } },
      },
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
    },
    security: [{ key: [] }],
  };
}

function pathsOf(name: string): Json {
  const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
  const paged = ["limit", "cursor"].map((it) => ({ $ref: `#/components/parameters/${it}` }));
  const made = (verb: string, more: Json = {}) => ({
    operationId: `${verb}_${name}`,
    summary: `${verb} ${name}`,
    description: `What is called ${name}: ${verb}, as whoever calls is allowed to.`,
    tags: [name],
    responses: { 200: { description: "It went well", content: bodyOf(`${name}`) } },
    ...more,
  });
  const whole = { requestBody: { required: true, content: bodyOf(`${name}`) } };
  const part = { requestBody: { required: true, content: bodyOf(`${name}_part`) } };
  return {
    [`/${name}`]: {
      get: made("list", { parameters: paged }),
      post: made("create", whole),
    },
    [`/${name}/{id}`]: {
      parameters: [id],
      get: made("get"),
      put: made("replace", whole),
      patch: made("change", part),
      delete: made("remove"),
    },
    [`/${name}/{id}/notes`]: {
      parameters: [id],
      get: made("list_notes_of", { parameters: paged }),
      post: made("add_note_to", part),
    },
    [`/${name}/search`]: { post: made("search", part) },
    [`/${name}/{id}/archive`]: { parameters: [id], post: made("archive") },
  };
}

function bodyOf(schema: string): Json {
  return { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } };
}

/** The whole refers to the part of another collection. */
function schemasOf(name: string, other = name): Json {
  const properties = {
    title: { type: "string", minLength: 1, maxLength: 200, description: "What it is called" },
    state: { type: "string", enum: ["open", "held", "closed"] },
    count: { type: "integer", minimum: 0 },
    weight: { type: ["number", "null"], minimum: 0 },
    since: { type: "string", format: "date-time" },
    labels: { type: "array", items: { type: "string", pattern: "^[a-z-]+$" }, uniqueItems: true },
    owner: {
      type: "object",
      properties: { name: { type: "string" }, mail: { type: "string", format: "email" } },
      required: ["name"],
    },
  };
  return {
    [`${name}_part`]: { type: "object", properties },
    [name]: {
      type: "object",
      properties: {
        ...properties,
        related: { type: "array", items: { $ref: `#/components/schemas/${other}_part` } },
      },
      required: ["title", "state"],
    },
  };
}
