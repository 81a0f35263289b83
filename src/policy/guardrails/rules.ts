/**
 * The keywords of schemas that cost more than their size, written anew: each takes what it costs
 * from the meter before it begins.
 *
 * @module
 */
import { _, type Code, type CodeKeywordDefinition, type KeywordCxt, str } from "ajv";
import { LIMITS } from "../../domain/limits.ts";
import { canonicalText } from "./canonical.ts";
import { type Meter, Unchecked } from "./meter.ts";
import { isMatch, type PatternSource } from "./pattern.ts";
import { COST, VALUES } from "./schema_copy.ts";

export interface RuleDeps {
  readonly meter: Meter;
  readonly patterns: PatternSource;
}

/** The keywords of the compiler's that have to go first. */
export const REPLACED = ["pattern", "uniqueItems", "minLength", "maxLength"] as const;

/** @param isMonotone whether a rule that cannot be decided may pass */
export function ownRules(deps: RuleDeps, isMonotone: boolean): readonly CodeKeywordDefinition[] {
  const { meter } = deps;
  return [
    costKeyword(meter),
    patternKeyword(deps, isMonotone),
    lengthKeyword("minLength", (text, min) => hasChars(text, min, meter), "fewer"),
    lengthKeyword("maxLength", (text, max) => !hasChars(text, max + 1, meter), "more"),
    keywordOf("uniqueItems", {
      type: "array",
      schemaType: "boolean",
      test: (isUnique) => (items) => isUnique !== true || hasNoEquals(items, meter),
      message: () => str`must not have equal items`,
    }),
    keywordOf(VALUES, {
      schemaType: "array",
      test(values) {
        const allowed = new Set(Array.isArray(values) ? values : []);
        return (value) => allowed.has(canonicalText(value, meter.spend));
      },
      message: () => str`must be equal to one of the allowed values`,
    }),
  ];
}

interface Rule {
  readonly type?: "string" | "array";
  readonly schemaType: "string" | "number" | "boolean" | "array";
  /** Called once for each place in a schema; what it gives is called with values of the type. */
  readonly test: (schema: unknown) => (value: unknown) => boolean;
  readonly message: (cxt: { readonly schemaCode: Code | string | number | boolean }) => Code;
}

function keywordOf(keyword: string, rule: Rule): CodeKeywordDefinition {
  const { type, schemaType, test, message } = rule;
  return {
    keyword,
    schemaType,
    ...(type === undefined ? {} : { type }),
    code(cxt: KeywordCxt) {
      const passes = cxt.gen.scopeValue("func", { ref: test(cxt.schema) });
      cxt.pass(_`${passes}(${cxt.data})`);
    },
    error: { message },
  };
}

/** Takes what a part of a schema costs, before the part is applied. */
function costKeyword(meter: Meter): CodeKeywordDefinition {
  // Counting the names of a large object takes as long as going through them; those of a small one
  // are counted sooner than remembered.
  const counted = new WeakMap<object, number>();
  const spendOnNames = (units: number, value: unknown) => {
    if (typeof value !== "object" || value === null) return meter.spend(units);
    let names = counted.get(value);
    if (names === undefined) {
      names = Object.keys(value).length;
      if (names > NAMES_COUNTED_AGAIN) counted.set(value, names);
    }
    meter.spend(units + names * UNITS_PER_NAME);
  };
  return {
    keyword: COST,
    schemaType: "object",
    before: "$ref",
    code({ gen, schema, data }: KeywordCxt) {
      const spend = gen.scopeValue("func", {
        ref: schema.readsNames ? spendOnNames : meter.spend,
      });
      gen.code(_`${spend}(${schema.units}, ${data})`);
    },
  };
}

function patternKeyword({ meter, patterns }: RuleDeps, isMonotone: boolean): CodeKeywordDefinition {
  return keywordOf("pattern", {
    type: "string",
    schemaType: "string",
    test(source) {
      const pattern = patterns(String(source));
      if (pattern === undefined) return () => true;
      return (value) => {
        const text = String(value);
        const isLong = text.length > LIMITS.patternedChars;
        if (!isLong && meter.mayAfford(pattern.units(text))) return isMatch(pattern, text, meter);
        if (!isMonotone) throw new Unchecked("A text is too long for its pattern");
        return true;
      };
    },
    message: ({ schemaCode }) => str`must match pattern "${schemaCode}"`,
  });
}

function lengthKeyword(
  keyword: string,
  fits: (text: string, chars: number) => boolean,
  comparison: string,
): CodeKeywordDefinition {
  return keywordOf(keyword, {
    type: "string",
    schemaType: "number",
    test: (chars) => (value) => fits(String(value), Number(chars)),
    message: ({ schemaCode }) => str`must not have ${comparison} than ${schemaCode} characters`,
  });
}

/** Counted only where it matters that some characters are two units of UTF-16. */
function hasChars(text: string, min: number, meter: Meter): boolean {
  if (text.length < min || text.length >= 2 * min) return text.length >= min;
  meter.spend(text.length / CHARS_PER_UNIT);
  let chars = 0;
  for (let at = 0; at < text.length; at++) {
    const isSecond = (text.charCodeAt(at) & 0xfc00) === 0xdc00 && at > 0 &&
      (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
    if (!isSecond) chars++;
  }
  return chars >= min;
}

function hasNoEquals(items: unknown, meter: Meter): boolean {
  if (!Array.isArray(items)) return true;
  if (items.every((item) => typeof item === "string")) {
    for (const { length } of items) meter.spend(UNITS_PER_TEXT + length / CHARS_PER_UNIT);
    return new Set(items).size === items.length;
  }
  const seen = new Set<string>();
  for (const item of items) seen.add(canonicalText(item, meter.spend));
  return seen.size === items.length;
}

const NAMES_COUNTED_AGAIN = 32;
const UNITS_PER_NAME = 8;
const UNITS_PER_TEXT = 2;
const CHARS_PER_UNIT = 16;
