/**
 * The keywords of schemas that tools get, and the values that they may have.
 *
 * @module
 * @see JSON Schema 2020-12
 */
import { isMembers } from "./document.ts";

/** Of those that are any: one, or several. */
export function typeOf(value: unknown): unknown {
  const types = (Array.isArray(value) ? value : [value]).filter((each) => TYPES.has(each));
  return types.length > 1 ? types : types[0];
}

const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0;
const isText = (value: unknown) => typeof value === "string";
const isTextList = (value: unknown) => Array.isArray(value) && value.every(isText);

/** Whether the value is one that the keyword may have. */
export function hasForm(keyword: string, value: unknown): boolean {
  return FORMS[keyword]?.(value) ?? true;
}

/** A rule that is none would make the whole schema one that nothing can be checked by. */
const FORMS: Readonly<Record<string, (value: unknown) => boolean>> = {
  ...forms("maximum minimum exclusiveMaximum exclusiveMinimum", isNumber),
  ...forms("maxLength minLength maxItems minItems maxContains minContains", isCount),
  ...forms("maxProperties minProperties", isCount),
  ...forms("pattern format title description contentEncoding contentMediaType", isText),
  multipleOf: (value) => isNumber(value) && Number(value) > 0,
  uniqueItems: (value) => typeof value === "boolean",
  // Drafts before OpenAPI had `required: true` at a property.
  required: isTextList,
  enum: (value) => Array.isArray(value) && value.length > 0,
  examples: Array.isArray,
  dependentRequired: (value) => isMembers(value) && Object.values(value).every(isTextList),
};

function forms(keywords: string, form: (value: unknown) => boolean) {
  return Object.fromEntries(keywords.split(" ").map((keyword) => [keyword, form]));
}

const TYPES: ReadonlySet<unknown> = new Set(
  ["string", "number", "integer", "boolean", "object", "array", "null"],
);
const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));
/** They say something to people only. */
export const NOTES = words("title description default examples deprecated");
export const ONE_SCHEMA = words(
  "items additionalProperties propertyNames contains not if then else unevaluatedItems " +
    "unevaluatedProperties",
);
export const SCHEMAS = words("allOf anyOf oneOf prefixItems");
export const NAMED_SCHEMAS = words("properties patternProperties dependentSchemas");
export const KEPT: ReadonlySet<string> = new Set([
  ...NOTES,
  ...ONE_SCHEMA,
  ...SCHEMAS,
  ...NAMED_SCHEMAS,
  ...words(
    "type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength " +
      "minLength pattern maxItems minItems uniqueItems maxContains minContains maxProperties " +
      "minProperties required dependentRequired format contentEncoding contentMediaType",
  ),
]);
