/**
 * Schemas of OpenAPI 3.0 in the words of JSON Schema.
 *
 * @module
 * @see OpenAPI 3.0.4, "Schema Object"
 */
import type { Members } from "./document.ts";
import { NOTES } from "./keywords.ts";

/** @param schema without looking into it */
export function as31(schema: Members): Members {
  const { nullable, exclusiveMinimum, exclusiveMaximum, example, ...rest } = schema;
  const more: Record<string, unknown> = {};
  if (example !== undefined) more.examples = [example];
  bound(more, rest, "exclusiveMinimum", exclusiveMinimum, "minimum");
  bound(more, rest, "exclusiveMaximum", exclusiveMaximum, "maximum");
  const own = { ...rest, ...more };
  if (nullable !== true) return own;
  if (typeof own.type === "string") {
    const isListed = Array.isArray(own.enum) && !own.enum.includes(null);
    return {
      ...own,
      type: [own.type, "null"],
      ...isListed ? { enum: [...own.enum as unknown[], null] } : {},
    };
  }
  const notes = Object.entries(own).filter(([keyword]) => NOTES.has(keyword));
  const rules = Object.entries(own).filter(([keyword]) => !NOTES.has(keyword));
  if (rules.length === 0) return own;
  return { ...Object.fromEntries(notes), anyOf: [Object.fromEntries(rules), { type: "null" }] };
}

function bound(
  more: Record<string, unknown>,
  rest: Record<string, unknown>,
  keyword: string,
  value: unknown,
  inclusive: string,
): void {
  if (typeof value === "number") more[keyword] = value;
  if (value !== true || rest[inclusive] === undefined) return;
  more[keyword] = rest[inclusive];
  delete rest[inclusive];
}
