/**
 * What is wrong with arguments, in one sentence. It names paths and rules, never values: those are
 * the caller's, and errors are logged.
 *
 * @module
 */
import type { ErrorObject } from "ajv";

/**
 * @param subject beginning of the sentence, up to what "they" stands for
 * @param errors of one check that stopped at the first; not empty
 */
export function sentenceOf(subject: string, errors: readonly ErrorObject[]): string {
  const last = errors.at(-1)!;
  return `${subject}: ${findingOf(errors, last)}.`;
}

function findingOf(errors: readonly ErrorObject[], last: ErrorObject): string {
  if (last.keyword !== "anyOf" && last.keyword !== "oneOf") return clauseOf(last);
  // Of several alternatives, the one that was followed furthest is the one that was meant.
  const nearest = errors.slice(0, -1).reduce<ErrorObject | undefined>(
    (best, error) => best !== undefined && depthOf(best) >= depthOf(error) ? best : error,
    undefined,
  );
  const where = whereOf(last.instancePath);
  if (nearest === undefined) return `${where} must fit exactly one of several schemas`;
  return `${where} must fit one of several schemas; for the nearest, ${clauseOf(nearest)}`;
}

function clauseOf({ instancePath, keyword, message, params }: ErrorObject): string {
  const where = whereOf(instancePath);
  switch (keyword) {
    case "required":
      return `${where} must have the member ${quoted(params.missingProperty)}`;
    case "additionalProperties":
      return `${where} must not have the member ${quoted(params.additionalProperty)}`;
    case "unevaluatedProperties":
      return `${where} must not have the member ${quoted(params.unevaluatedProperty)}`;
    case "enum":
      return `${where} must be one of ${shortened(JSON.stringify(params.allowedValues))}`;
    case "const":
      return `${where} must be ${shortened(JSON.stringify(params.allowedValue))}`;
    case "false schema":
      return `${where} must not be there`;
    default:
      return `${where} ${shortened(message ?? "does not fit")}`;
  }
}

/** The path is a JSON pointer (RFC 6901). */
function whereOf(path: string): string {
  return path === "" ? "they" : quoted(path);
}

function quoted(text: unknown): string {
  return JSON.stringify(shortened(String(text)));
}

const CHARS_MAX = 200;

function shortened(text: string): string {
  const whole = text.toWellFormed();
  return whole.length > CHARS_MAX ? `${whole.slice(0, CHARS_MAX).toWellFormed()}…` : whole;
}

function depthOf({ instancePath }: ErrorObject): number {
  return instancePath.split("/").length;
}
