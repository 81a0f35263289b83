/**
 * The compilers of schemas: one per dialect, each made for one schema only.
 *
 * One that is used again would remember the ids of all schemas, so that those of one server could
 * refer to those of another. Nothing is fetched: a reference that leads out of the schema is an
 * error.
 *
 * @module
 */
import { Ajv, type Options } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvDraft04 from "ajv-draft-04";
import { formatsOf } from "./formats.ts";
import { Unchecked } from "./meter.ts";
import { isMatch } from "./pattern.ts";
import { ownRules, REPLACED, type RuleDeps } from "./rules.ts";
import type { Dialect, SchemaCopy } from "./schema_copy.ts";

export type Validator = ReturnType<Ajv["compile"]>;

/** @throws {Error} when the schema is none, or refers to what it does not hold */
export function compileSchema(copy: SchemaCopy, deps: RuleDeps): Validator {
  const ajv = compilerOf(copy.dialect, optionsOf(copy.dialect, deps));
  // Keeping account of what was evaluated makes compiling half as fast.
  ajv.opts.unevaluated = copy.isUnevaluated;
  for (const keyword of REPLACED) ajv.removeKeyword(keyword);
  for (const rule of ownRules(deps, copy.isMonotone)) ajv.addKeyword(rule);
  for (const [name, format] of formatsOf(deps.meter)) ajv.addFormat(name, format);
  return ajv.compile(copy.schema);
}

function compilerOf(dialect: Dialect, options: Options): Ajv {
  switch (dialect) {
    case "2020-12":
      return new Ajv2020(options);
    case "2019-09":
      return new Ajv2019(options);
    case "draft-07":
    case "draft-06":
      return new Ajv(options);
    case "draft-04":
      return new ajvDraft04.default(options);
  }
}

function optionsOf(dialect: Dialect, { meter, patterns }: RuleDeps): Options {
  /** For `patternProperties`; other patterns are a rule of our own. */
  const regExp = (text: string) => {
    const pattern = patterns(text);
    if (pattern === undefined) throw new Unchecked("A pattern cannot be matched");
    return { test: (name: string) => isMatch(pattern, name, meter), toString: () => text };
  };
  return {
    strict: false,
    logger: false,
    meta: false,
    validateSchema: false,
    // Else a schema would be compiled again wherever it is referred to.
    inlineRefs: false,
    // Beyond that, a loop is compiled instead of a comparison for each name.
    loopRequired: 20,
    // `constructor` and `toString` are arguments like any other.
    ownProperties: true,
    ignoreKeywordsWithRef: dialect.startsWith("draft-"),
    code: { regExp: Object.assign(regExp, { code: "" }), optimize: false },
  };
}
