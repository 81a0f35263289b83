/**
 * Makes of a schema from outside one that can be compiled and run within bounds: a copy that knows
 * what each of its parts costs, without what is not checked here.
 *
 * @module
 */
import { LIMITS } from "../../domain/limits.ts";
import { canonicalText } from "./canonical.ts";
import type { Pattern, PatternSource } from "./pattern.ts";

export type Dialect = "2020-12" | "2019-09" | "draft-07" | "draft-06" | "draft-04";

export interface SchemaCopy {
  readonly schema: object;
  /** That of `$schema`, or the one before it that its keywords are written for. */
  readonly dialect: Dialect;
  /** Whether leaving a rule out can only let more pass; with `not` it could refuse more. */
  readonly isMonotone: boolean;
  /** Whether it asks which members no other rule has looked at. */
  readonly isUnevaluated: boolean;
  /** Which rule was left out, if any was. */
  readonly skipped: string | undefined;
}

/** What a part of a schema costs each time that it is applied. */
export interface Cost {
  readonly units: number;
  /** Whether it goes through the names of an object. */
  readonly readsNames: boolean;
}

/** The schema cannot be checked by; says why. */
export class UnusableSchema extends Error {
  override readonly name = "UnusableSchema";
}

/** Keyword with the `Cost` of the schema that it stands in. */
export const COST = "sallyport:cost";
/** Keyword with the canonical texts of the values that are allowed. */
export const VALUES = "sallyport:values";

/**
 * @param source parsed JSON within bounds of depth and nodes
 * @throws {UnusableSchema}
 */
export function copySchema(source: object, patterns: PatternSource): SchemaCopy {
  const dialect = dialectOf("$schema" in source ? source.$schema : undefined);
  const state: State = {
    patterns,
    isRefAlone: dialect.startsWith("draft-"),
    isBeforeIf: dialect === "draft-06" || dialect === "draft-04",
    compileUnits: 0,
    skipped: undefined,
    seen: new Set(),
    fit: undefined,
  };
  const schema = copyOf(source, state);
  const isMonotone = !NEGATIVE.some((keyword) => state.seen.has(keyword));
  if (state.skipped !== undefined && !isMonotone) throw new UnusableSchema(state.skipped);
  return {
    schema,
    dialect: state.fit === "draft-04" || dialect === "2020-12" ? state.fit ?? dialect : dialect,
    isMonotone,
    isUnevaluated: UNEVALUATED.some((keyword) => state.seen.has(keyword)),
    skipped: state.skipped,
  };
}

interface State {
  readonly patterns: PatternSource;
  /** Whether `$ref` makes the other keywords mean nothing. */
  readonly isRefAlone: boolean;
  /** Whether `if` is a word like any other. */
  readonly isBeforeIf: boolean;
  /** Grows with the time that compiling takes. */
  compileUnits: number;
  /** Which rule was left out. */
  skipped: string | undefined;
  /** Keywords that were met. */
  readonly seen: Set<string>;
  /** The newest dialect in which everything that was met can be compiled. */
  fit: Dialect | undefined;
}

const DIALECTS: ReadonlyMap<string, Dialect> = new Map([
  ["json-schema.org/draft/2020-12/schema", "2020-12"],
  ["json-schema.org/draft/2019-09/schema", "2019-09"],
  ["json-schema.org/draft-07/schema", "draft-07"],
  ["json-schema.org/draft-06/schema", "draft-06"],
  ["json-schema.org/draft-04/schema", "draft-04"],
  ["json-schema.org/schema", "2020-12"],
]);

function dialectOf(uri: unknown): Dialect {
  if (uri === undefined) return "2020-12";
  const dialect = DIALECTS.get(String(uri).replace(/^https?:\/\//, "").replace(/#$/, ""));
  if (dialect === undefined) throw new UnusableSchema("The dialect of the schema is not known");
  return dialect;
}

const UNEVALUATED = ["unevaluatedProperties", "unevaluatedItems"];
/** Keywords under which leaving out a rule refuses more. */
const NEGATIVE = ["not", "oneOf", "if", "maxContains", ...UNEVALUATED];

/** They say nothing about what is allowed, or would mean something to the compiler only. */
const DROPPED: ReadonlySet<string> = new Set(
  ("$schema $vocabulary $comment $async title description default example examples deprecated " +
    `readOnly writeOnly contentEncoding contentMediaType contentSchema discriminator ${COST} ` +
    VALUES).split(" "),
);

/** They came with draft-07. */
const CONDITIONAL: ReadonlySet<string> = new Set(["if", "then", "else"]);

/** Keywords whose members are named by the author. */
const MAPS: ReadonlySet<string> = new Set(
  "properties patternProperties $defs definitions dependentSchemas dependentRequired dependencies"
    .split(" "),
);

const ALTERNATIVES: ReadonlySet<string> = new Set(["anyOf", "oneOf"]);

/** They cost nothing much, or take it themselves. */
const LEAF_KEYWORDS: ReadonlySet<string> = new Set(
  ("type nullable format pattern minLength maxLength minimum maximum exclusiveMinimum " +
    `exclusiveMaximum multipleOf minItems maxItems uniqueItems enum const ${VALUES}`).split(" "),
);

const NAME_READERS: readonly string[] = [
  "additionalProperties",
  "patternProperties",
  "propertyNames",
  "minProperties",
  "maxProperties",
  ...UNEVALUATED,
];

/** @param isAppliedOnce for each time that the schema around it is, which takes its cost too */
function copyOf(source: object, state: State, isAppliedOnce = false): object {
  const members = new Map<string, unknown>();
  let units = 1;
  for (const [keyword, value] of Object.entries(source)) {
    if (DROPPED.has(keyword) || state.isBeforeIf && CONDITIONAL.has(keyword)) continue;
    state.seen.add(keyword);
    units += 1 + sizeOf(value) * (ALTERNATIVES.has(keyword) ? UNITS_PER_BRANCH : 1);
    if (isKept(keyword, value, source, state)) {
      members.set(keyword, copyMember(keyword, value, state));
    }
  }
  dropBesideSkipped(source, members);
  const values = allowedValues(source);
  if (values !== undefined) members.set(VALUES, values);
  spendOnCompiling(state, 1 + members.size);
  const isLeaf = [...members.keys()].every((keyword) => LEAF_KEYWORDS.has(keyword));
  if (members.size > 0 && !(isLeaf && isAppliedOnce)) {
    const readsNames = NAME_READERS.some((keyword) => members.has(keyword));
    members.set(COST, { units, readsNames } satisfies Cost);
  }
  return Object.fromEntries(members);
}

function isKept(keyword: string, value: unknown, source: object, state: State): boolean {
  if (state.isRefAlone && "$ref" in source && LEAF_KEYWORDS.has(keyword)) return false;
  noteFit(keyword, value, state);
  switch (keyword) {
    case "pattern":
      return typeof value !== "string" || isUsable(value, PATTERN_UNITS_MAX, state);
    case "enum":
      return !Array.isArray(value) || value.length <= ENUM_COMPILED && value.every(isScalar);
    case "const":
      return isScalar(value);
    case "nullable":
      // Not of JSON Schema, but of OpenAPI, and in many schemas that were made of one.
      return value === true && "type" in source;
    default:
      return true;
  }
}

function copyMember(keyword: string, value: unknown, state: State): unknown {
  if (keyword === "$ref" || keyword === "$dynamicRef" || keyword === "$recursiveRef") {
    spendOnCompiling(state, REFERENCE_UNITS);
  }
  const isBranches = Array.isArray(value) && (keyword === "allOf" || ALTERNATIVES.has(keyword));
  if (!isObject(value) || !MAPS.has(keyword)) return copyValue(value, state, isBranches);
  const entries = Object.entries(value).filter(([name]) =>
    keyword !== "patternProperties" || isUsable(name, NAME_PATTERN_UNITS_MAX, state)
  );
  if (keyword.startsWith("depend")) spendOnCompiling(state, entries.length * REFERENCE_UNITS);
  const isAppliedOnce = keyword === "properties";
  return Object.fromEntries(
    entries.map(([name, each]) => [name, copyValue(each, state, isAppliedOnce)]),
  );
}

/** Whatever is an object may be referred to as a schema, wherever it stands. */
function copyValue(value: unknown, state: State, isAppliedOnce = false): unknown {
  if (Array.isArray(value)) {
    spendOnCompiling(state, value.length / TEXTS_PER_UNIT);
    return value.map((each) => copyValue(each, state, isAppliedOnce));
  }
  return isObject(value) ? copyOf(value, state, isAppliedOnce) : value;
}

/** Without the patterns of some names, nobody knows which names are additional. */
function dropBesideSkipped(source: object, members: Map<string, unknown>): void {
  const own = "patternProperties" in source ? source.patternProperties : undefined;
  const kept = members.get("patternProperties");
  if (!isObject(own) || !isObject(kept)) return;
  if (Object.keys(own).length === Object.keys(kept).length) return;
  members.delete("additionalProperties");
  if (Object.keys(kept).length === 0) members.delete("patternProperties");
}

function isUsable(pattern: string, unitsMax: number, state: State): boolean {
  const known: Pattern | undefined = state.patterns(pattern);
  if (known !== undefined && known.units("x".repeat(TYPICAL_CHARS)) <= unitsMax) {
    spendOnCompiling(state, PATTERN_UNITS + known.size / INSTRUCTIONS_PER_UNIT);
    return true;
  }
  state.skipped ??= `A pattern cannot be matched within bounds: ${JSON.stringify(pattern)}`;
  return false;
}

function allowedValues(source: object): readonly string[] | undefined {
  if ("const" in source) return isScalar(source.const) ? undefined : [canonicalText(source.const)];
  if (!("enum" in source) || !Array.isArray(source.enum)) return undefined;
  const isCompiled = source.enum.length <= ENUM_COMPILED && source.enum.every(isScalar);
  return isCompiled ? undefined : source.enum.map((value) => canonicalText(value));
}

function noteFit(keyword: string, value: unknown, state: State): void {
  if (keyword.startsWith("exclusive") && typeof value === "boolean") state.fit = "draft-04";
  if (keyword === "items" && Array.isArray(value)) state.fit ??= "draft-07";
  if (keyword.startsWith("$recursive")) state.fit ??= "2019-09";
}

function spendOnCompiling(state: State, units: number): void {
  state.compileUnits += units;
  if (state.compileUnits > LIMITS.schemaKeywords) {
    throw new UnusableSchema(`The schema has more than ${LIMITS.schemaKeywords} keywords`);
  }
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 0;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): boolean {
  return typeof value !== "object" || value === null;
}

/** For each alternative that does not fit, a finding is put together and thrown away. */
const UNITS_PER_BRANCH = 10;
/** Longer lists are compared by text, in one step. */
const ENUM_COMPILED = 20;
/** A reference is a function of its own, a dependency a loop. In keywords. */
const REFERENCE_UNITS = 4;
/** Names in `required` and values in `enum` that take as long as one keyword. */
const TEXTS_PER_UNIT = 10;
const PATTERN_UNITS = 6;
const INSTRUCTIONS_PER_UNIT = 20;
const TYPICAL_CHARS = 40;
/** A tenth of what a check may cost, for one text of such a length. */
const PATTERN_UNITS_MAX = LIMITS.checkUnits / 10;
/** Every name of an object goes through each of these. */
const NAME_PATTERN_UNITS_MAX = 1_000;
