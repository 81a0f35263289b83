/**
 * JSONPath, with an account of what it costs.
 *
 * @module
 * @see RFC 9535; security.md, LIM-12
 */
import {
  FunctionExpressionType,
  jsonpath,
  JSONPathEnvironment,
  JSONPathNodeList,
  type JSONPathQuery,
} from "json-p3";
import { LIMITS } from "../../domain/limits.ts";
import { CHARS_PER_STEP, type Steps } from "./steps.ts";

type Expression = jsonpath.expressions.FilterExpression;

/** A regular expression that is matched in linear time; `undefined` for what is none. */
export type LinearPatterns = (pattern: string) => LinearPattern | undefined;

export interface LinearPattern {
  readonly test: (text: string) => boolean;
  /** What matching the text costs, at 100 ns each. */
  readonly units: (text: string) => number;
}

/**
 * @returns gives the values that the query selects
 * @throws {Error} saying where the query is wrong
 */
export function compileJsonPath(
  text: string,
  steps: Steps,
  patterns: LinearPatterns,
): (value: unknown) => unknown[] {
  const environment = new JSONPathEnvironment({ maxRecursionDepth: LIMITS.jsonDepth + 2 });
  environment.functionRegister.set("match", matching(steps, patterns, (text) => `^(?:${text})$`));
  environment.functionRegister.set("search", matching(steps, patterns, (text) => text));
  const query = environment.compile(text);
  meterQuery(query, steps);
  return (value) => Array.from(query.lazyQuery(asJson(value)), (node) => node.value);
}

type Json = Parameters<JSONPathQuery["query"]>[0];

/** What `JSON.parse` gave; the library has a name for that. */
function asJson(value: unknown): Json {
  return value as Json;
}

function matching(steps: Steps, patterns: LinearPatterns, whole: (pattern: string) => string) {
  return {
    argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
    returnType: FunctionExpressionType.LogicalType,
    call(text: unknown, source: unknown): boolean {
      if (typeof text !== "string" || typeof source !== "string") return false;
      const pattern = patterns(whole(source));
      if (pattern === undefined) return false;
      steps.spend(pattern.units(text));
      return pattern.test(text);
    },
  };
}

function meterQuery({ segments }: JSONPathQuery, steps: Steps): void {
  for (const segment of segments) {
    for (const selector of segment.selectors) {
      meterSelector(selector, steps);
      if (selector instanceof jsonpath.selectors.FilterSelector) {
        meterExpression(selector.expression, steps);
      }
    }
  }
}

function meterSelector(selector: jsonpath.JSONPathSelector, steps: Steps): void {
  const resolve = selector.resolve.bind(selector);
  const isSingle = selector instanceof jsonpath.selectors.NameSelector ||
    selector instanceof jsonpath.selectors.IndexSelector;
  selector.resolve = (node) => {
    steps.spend(isSingle ? 1 : 1 + widthOf(node.value));
    return resolve(node);
  };
}

function widthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

function meterExpression(expression: Expression, steps: Steps): void {
  if (expression instanceof jsonpath.expressions.LogicalExpression) {
    meterExpression(expression.expression, steps);
  } else if (expression instanceof jsonpath.expressions.PrefixExpression) {
    meterExpression(expression.right, steps);
  } else if (expression instanceof jsonpath.expressions.InfixExpression) {
    for (const side of [expression.left, expression.right]) {
      meterExpression(side, steps);
      if (!expression.logical) weighOperand(side, steps);
    }
  } else if (expression instanceof jsonpath.expressions.FunctionExtension) {
    for (const each of expression.args) meterExpression(each, steps);
    if (expression.name === "length") weighText(expression, steps);
  } else if (expression instanceof jsonpath.expressions.FilterQuery) {
    meterQuery(expression.path, steps);
  }
}

/** Values are compared with all that is in them. */
function weighOperand(operand: Expression, steps: Steps): void {
  const evaluate = operand.evaluate.bind(operand);
  operand.evaluate = (context) => {
    const value = evaluate(context);
    steps.spendOnAll(value instanceof JSONPathNodeList ? value.values() : value);
    return value;
  };
}

/** The length of a text is counted in characters. */
function weighText({ args }: jsonpath.expressions.FunctionExtension, steps: Steps): void {
  for (const each of args) {
    const evaluate = each.evaluate.bind(each);
    each.evaluate = (context) => {
      const value = evaluate(context);
      const text = value instanceof JSONPathNodeList ? value.values()[0] : value;
      if (typeof text === "string") steps.spend(text.length / CHARS_PER_STEP);
      return value;
    };
  }
}
