/**
 * The `filter` of a REST tool: what of a reply is given on.
 *
 * @module
 * @see contract.md, section 6
 */
import { LIMITS } from "../../domain/limits.ts";
import { GatewayError } from "../../domain/errors.ts";
import { compileJmesPath } from "./jmes_path.ts";
import { compileJsonPath, type LinearPatterns } from "./json_path.ts";
import { createSteps } from "./steps.ts";

export interface Filter {
  /**
   * @param value parsed JSON
   * @returns JSON; a list when the filter is JSONPath
   * @throws {GatewayError} `upstream_protocol` when it cannot be applied, or not within bounds
   */
  readonly apply: (value: unknown) => unknown;
}

/** @throws {Error} saying what is wrong with the text */
export function compileFilter(text: string, patterns: LinearPatterns): Filter {
  if (text.length > LIMITS.filterChars) {
    throw new Error(`must not have more than ${LIMITS.filterChars} characters`);
  }
  const steps = createSteps();
  const evaluate = text.startsWith("$")
    ? compileJsonPath(text, steps, patterns)
    : compileJmesPath(text, steps);
  return {
    apply(value) {
      steps.start();
      try {
        const result = evaluate(value);
        // A part that it names often is written down as often.
        steps.spendOnAll(result);
        return result;
      } catch (cause) {
        if (cause instanceof GatewayError) throw cause;
        throw new GatewayError("upstream_protocol", "The filter cannot be applied to the reply", {
          cause,
        });
      }
    },
  };
}
