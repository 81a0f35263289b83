/**
 * Schemas of OpenAPI documents as JSON Schema 2020-12 that stands by itself.
 *
 * What refers to itself becomes a definition; everything else stands where it is used. A schema that
 * would be too large is cut at a depth, below which everything fits.
 *
 * @module
 * @see OpenAPI 3.0.4, "Schema Object"; OpenAPI 3.1.1, "Schema Object"
 */
import { LIMITS } from "../../domain/limits.ts";
import { isMembers, type Members } from "./document.ts";
import { hasForm, KEPT, NAMED_SCHEMAS, NOTES, ONE_SCHEMA, SCHEMAS, typeOf } from "./keywords.ts";
import { as31 } from "./schema_30.ts";
import { Inexpressible, pointerOf, quoted, type References } from "./references.ts";

export type Schema = Readonly<Record<string, unknown>> | boolean;

export interface SchemaWriter {
  /** @throws {Inexpressible} for a reference that leads nowhere */
  readonly write: (schema: unknown) => Schema;
  /** The definitions that what was written refers to; `undefined` when there are none. */
  readonly definitions: () => Readonly<Record<string, Schema>> | undefined;
}

/** How much of the schemas is written. */
export interface Detail {
  /** Whether what is referred to stands in definitions, and not where it is used. */
  readonly isShared: boolean;
  /** Schemas within schemas, beyond which everything fits. */
  readonly depth: number;
}

/** From the plainest to what always fits within bounds. */
export const DETAILS: readonly Detail[] = [
  { isShared: false, depth: 64 },
  { isShared: true, depth: 64 },
  { isShared: true, depth: 5 },
  { isShared: true, depth: 3 },
  { isShared: true, depth: 1 },
  { isShared: true, depth: 0 },
  { isShared: true, depth: -1 },
];

/** There is more of it than a tool may have. */
export class SchemaTooLarge extends Error {
  override readonly name = "SchemaTooLarge";
}

export function createSchemaWriter(
  references: References,
  { isShared, depth: depthMax }: Detail,
  is30: boolean,
): SchemaWriter {
  const names = new Map<string, string>();
  const definitions = new Map<string, Schema>();
  let units = 0;
  let chars = 0;

  function spend(keywords: number, more: number): void {
    units += keywords;
    chars += more;
    if (units > LIMITS.importedKeywords || chars > LIMITS.importedSchemaChars) {
      throw new SchemaTooLarge();
    }
  }

  function write(schema: unknown, depth: number): Schema {
    if (typeof schema === "boolean") return schema;
    if (!isMembers(schema)) throw new Inexpressible("A schema is neither an object nor a boolean");
    const pointer = pointerOf(schema);
    if (pointer !== undefined) return writeReference(pointer, schema, depth);
    if (depth > depthMax) return {};
    return writeMembers(is30 ? as31(schema) : schema, depth);
  }

  function writeReference(pointer: string, { $ref: _, ...beside }: Members, depth: number): Schema {
    const target = references.target(pointer);
    const isDefinition = isShared && isMembers(target) || references.isRecursive(pointer);
    if (depth > depthMax) return {};
    spend(isDefinition ? REFERENCE_KEYWORDS : 0, pointer.length);
    const own = isDefinition
      ? { $ref: `#/$defs/${define(pointer, target, depth)}` }
      : write(target, depth);
    // OpenAPI 3.0 takes no notice of what stands beside a reference.
    const more = is30 ? {} : writeMembers(beside, depth);
    if (Object.keys(more).length === 0) return own;
    const isNote = Object.keys(more).every((keyword) => NOTES.has(keyword));
    if (isNote) return own === true ? more : own === false ? false : { ...own, ...more };
    return { allOf: [own, more] };
  }

  function define(pointer: string, target: unknown, depth: number): string {
    const known = names.get(pointer);
    if (known !== undefined) return known;
    const base = (pointer.split("/").at(-1) ?? "").replace(/[^\w.-]/g, "_") || "schema";
    let name = base;
    for (let i = 2; definitions.has(name); i++) name = `${base}_${i}`;
    names.set(pointer, name);
    // Its place, before it is known: it may refer to itself.
    definitions.set(name, true);
    definitions.set(name, write(target, depth));
    return name;
  }

  function writeMembers(schema: Members, depth: number): Record<string, unknown> {
    const members: [string, unknown][] = [];
    spend(1, 2);
    for (const [keyword, value] of Object.entries(schema)) {
      if (!KEPT.has(keyword)) {
        if (keyword === "$dynamicRef") {
          throw new Inexpressible(`A schema has the keyword ${quoted(keyword)}`);
        }
        continue;
      }
      const written = writeKeyword(keyword, value, depth);
      if (written === undefined) continue;
      const text = typeof written === "string" ? written.length : 8;
      spend(keyword === "pattern" ? PATTERN_KEYWORDS + text / 20 : 1, keyword.length + text);
      members.push([keyword, written]);
    }
    return withoutReadOnly(references, schema, Object.fromEntries(members));
  }

  function writeKeyword(keyword: string, value: unknown, depth: number): unknown {
    if (ONE_SCHEMA.has(keyword)) {
      const isSchema = isMembers(value) || typeof value === "boolean";
      return isSchema ? write(value, depth + 1) : undefined;
    }
    if (SCHEMAS.has(keyword)) {
      const isList = Array.isArray(value) && value.length > 0;
      return isList ? value.map((each) => write(each, depth + 1)) : undefined;
    }
    if (NAMED_SCHEMAS.has(keyword)) {
      if (!isMembers(value)) return undefined;
      const entries = Object.entries(value).map(([name, each]) => {
        spend(0, name.length);
        return [name, write(each, depth + 1)];
      });
      return Object.fromEntries(entries);
    }
    if (keyword === "type") return typeOf(value);
    if (!hasForm(keyword, value)) return undefined;
    spendOnList(value);
    return value;
  }

  function spendOnList(value: unknown): void {
    if (!Array.isArray(value)) return;
    for (const each of value) spend(0.1, JSON.stringify(each)?.length ?? 0);
  }

  return {
    write: (schema) => write(schema, 0),
    definitions: () => definitions.size === 0 ? undefined : Object.fromEntries(definitions),
  };
}

/** What only servers say is nothing that they can be told. */
function withoutReadOnly(
  references: References,
  source: Members,
  schema: Record<string, unknown>,
): Record<string, unknown> {
  if (!isMembers(source.properties) || !isMembers(schema.properties)) return schema;
  const readOnly = Object.entries(source.properties).filter(([, each]) =>
    isReadOnly(references, each)
  );
  if (readOnly.length === 0) return schema;
  const names = new Set<unknown>(readOnly.map(([name]) => name));
  const properties = Object.entries(schema.properties).filter(([name]) => !names.has(name));
  const { required } = schema;
  return {
    ...schema,
    properties: Object.fromEntries(properties),
    ...Array.isArray(required) ? { required: required.filter((name) => !names.has(name)) } : {},
  };
}

export function isReadOnly(references: References, member: unknown): boolean {
  const target = references.resolve(member);
  return isMembers(member) && member.readOnly === true ||
    isMembers(target) && target.readOnly === true;
}

/** What they cost the compiler: see `schemaKeywords`. */
const REFERENCE_KEYWORDS = 4;
const PATTERN_KEYWORDS = 6;
