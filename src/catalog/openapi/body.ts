/**
 * Request bodies of operations as arguments of tools.
 *
 * @module
 * @see OpenAPI 3.1.1, "Request Body Object", "Encoding Object"
 */
import { isJsonType } from "../../upstream/rest/request_body.ts";
import { isMembers, type Members } from "./document.ts";
import { addArgument, type Argument, type Draft, freeName } from "./draft.ts";
import { isStyle, textIn } from "./parameters.ts";
import { Inexpressible, quoted } from "./references.ts";
import { isReadOnly } from "./schema.ts";
import { as31 } from "./schema_30.ts";

/**
 * @param mayHaveBody whether the method does
 * @throws {Inexpressible}
 */
export function addBody(draft: Draft, source: unknown, mayHaveBody: boolean): void {
  const body = draft.references.resolve(source);
  if (!isMembers(body) || !isMembers(body.content)) return;
  const types = Object.keys(body.content);
  if (types.length === 0) return;
  if (!mayHaveBody) {
    if (body.required === true) {
      throw new Inexpressible("The method has no body, and one is required");
    }
    draft.notes.push("The method has no body: that of the document is left out");
    return;
  }
  const type = [...types].sort((a, b) => rankOf(a) - rankOf(b))[0]!;
  const media = body.content[type];
  const part: Part = {
    type,
    media: isMembers(media) ? media : {},
    isRequired: body.required === true,
    description: textIn(body.description).description,
  };
  const others = types.filter((one) => one !== type);
  if (others.length > 0) draft.notes.push(`The body is sent as ${quoted(type)} only`);
  addAs[kindOf(type)](draft, part);
}

interface Part {
  /** Media type, as the document has it. */
  readonly type: string;
  readonly media: Members;
  readonly isRequired: boolean;
  readonly description: string | undefined;
}

const KINDS = ["json", "form", "multipart", "text", "binary"] as const;
type Kind = typeof KINDS[number];

const addAs: Readonly<Record<Kind, (draft: Draft, part: Part) => void>> = {
  json: addJson,
  form: addForm,
  multipart: addForm,
  text: (draft, part) => addWhole(draft, part, { type: "string" }),
  binary: (draft, part) => addWhole(draft, part, BASE64, "base64"),
};

function kindOf(type: string): Kind {
  const essence = type.split(";", 1)[0]!.trim().toLowerCase();
  if (isJsonType(essence) || essence === "*/*" || essence === "application/*") return "json";
  if (essence === "application/x-www-form-urlencoded") return "form";
  if (essence === "multipart/form-data") return "multipart";
  const isText = /^text\/|[/+]xml$|^application\/(?:x-ndjson|jsonl|yaml|graphql)$/.test(essence);
  return isText ? "text" : "binary";
}

function rankOf(type: string): number {
  return KINDS.indexOf(kindOf(type));
}

const BASE64 = { type: "string", contentEncoding: "base64" } as const;

/** A media range is no type to send. */
function sendable(type: string, usual: string): string {
  return type.includes("*") ? usual : type;
}

function addJson(draft: Draft, part: Part): void {
  const schema = part.media.schema ?? {};
  const object = objectOf(draft, schema);
  const type = sendable(part.type, "application/json");
  if (type !== "application/json") draft.contentType = type;
  const clashes = object?.members.some(([name]) => draft.properties.has(name)) ?? true;
  if (object === undefined || clashes) {
    return addBodyArgument(draft, part, { schema: draft.schemas.write(schema) });
  }
  for (const [name, member] of object.members) {
    const isRequired = part.isRequired && object.required.has(name);
    addArgument(draft, name, { in: "body", schema: draft.schemas.write(member), isRequired });
  }
  if (object.isOpen) draft.additional = true;
}

function addWhole(
  draft: Draft,
  part: Part,
  schema: Argument["schema"],
  encoding?: "base64",
): void {
  draft.contentType = sendable(part.type, "application/octet-stream");
  addBodyArgument(draft, part, { schema, ...encoding === undefined ? {} : { encoding } });
}

function addBodyArgument(
  draft: Draft,
  { isRequired, description }: Part,
  more: Pick<Argument, "schema" | "encoding">,
): void {
  const name = freeName("body", "request", (one) => draft.properties.has(one));
  addArgument(draft, name, {
    in: "body",
    whole: true,
    isRequired,
    ...textIn(description),
    ...more,
  });
}

function addForm(draft: Draft, { type, media, isRequired }: Part): void {
  const object = objectOf(draft, media.schema ?? {});
  if (object === undefined) throw new Inexpressible("The form is no object with members");
  const isMultipart = kindOf(type) === "multipart";
  draft.contentType = isMultipart ? "multipart/form-data" : undefined;
  const encodings = isMembers(media.encoding) ? media.encoding : {};
  for (const [name, member] of object.members) {
    const encoding = isMembers(encodings[name]) ? encodings[name] : {};
    const isFile = isMultipart && isBinary(draft, member);
    if (isMembers(encoding.headers)) {
      draft.notes.push(`The part ${quoted(name)} has no headers of its own`);
    }
    addArgument(draft, name, {
      in: "form",
      schema: isFile ? fileSchema(draft, member) : draft.schemas.write(member),
      isRequired: isRequired && object.required.has(name),
      ...isFile ? { encoding: "base64" as const } : {},
      ...partType(encoding.contentType, isMultipart),
      ...isStyle(encoding.style) && encoding.style !== "form" ? { style: encoding.style } : {},
      ...typeof encoding.explode === "boolean" ? { explode: encoding.explode } : {},
    });
  }
}

/** Of several types that a part may have, nobody says which. */
function partType(type: unknown, isMultipart: boolean): { contentType?: string } {
  if (typeof type !== "string" || /[,*]/.test(type)) return {};
  return isMultipart || isJsonType(type) ? { contentType: type } : {};
}

function isBinary(draft: Draft, member: unknown): boolean {
  const schema = draft.references.resolve(member);
  if (!isMembers(schema)) return false;
  if (schema.type === "array") return isBinary(draft, schema.items);
  const { format, contentEncoding, contentMediaType } = schema;
  if (format === "binary" || format === "base64" || format === "byte") return true;
  return contentEncoding === "base64" ||
    contentMediaType !== undefined && contentEncoding === undefined;
}

function fileSchema(draft: Draft, member: unknown): Argument["schema"] {
  const schema = draft.references.resolve(member);
  const { type, description } = isMembers(schema) ? schema : {};
  const one = { ...BASE64, ...textIn(description) };
  return type === "array" ? { type: "array", items: one } : one;
}

interface ObjectShape {
  readonly members: readonly (readonly [name: string, schema: unknown])[];
  readonly required: ReadonlySet<string>;
  /** Whether other members are spoken of. */
  readonly isOpen: boolean;
}

/** The members of an object that is one and nothing else; `undefined` for any other schema. */
function objectOf(draft: Draft, source: unknown, depth = 0): ObjectShape | undefined {
  const target = draft.references.resolve(source);
  if (!isMembers(target) || depth > 8) return undefined;
  const schema = draft.is30 ? as31(target) : target;
  const isNull = Array.isArray(schema.type) && schema.type.includes("null");
  if (ALTERNATIVE.some((keyword) => keyword in schema) || isNull) return undefined;
  if (schema.type !== undefined && schema.type !== "object") return undefined;
  const { properties, required, additionalProperties: more, allOf } = schema;
  const members = new Map(isMembers(properties) ? Object.entries(properties) : []);
  const needed = new Set(Array.isArray(required) ? required.map(String) : []);
  let isOpen = more !== undefined && more !== false;
  for (const part of Array.isArray(allOf) ? allOf : []) {
    const shape = objectOf(draft, part, depth + 1);
    if (shape === undefined) return undefined;
    for (const [name, member] of shape.members) members.set(name, member);
    for (const name of shape.required) needed.add(name);
    isOpen ||= shape.isOpen;
  }
  if (members.size === 0 && depth === 0) return undefined;
  const own = [...members].filter(([, member]) => !isReadOnly(draft.references, member));
  return { members: own, required: needed, isOpen };
}

const ALTERNATIVE = ["oneOf", "anyOf", "not", "if", "patternProperties", "propertyNames"];
