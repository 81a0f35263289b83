/**
 * What the evaluation of a filter may still cost. A step is a look at one value.
 *
 * @module
 */
import { GatewayError, untraced } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";

export interface Steps {
  /** Begins an evaluation. */
  readonly start: () => void;
  /** @throws {GatewayError} `upstream_protocol` when too few are left */
  readonly spend: (steps: number) => void;
  /** Spends one for each value in it: for what goes through all of them. */
  readonly spendOnAll: (value: unknown) => void;
}

export function createSteps(): Steps {
  let left = 0;

  function spend(steps: number): void {
    left -= steps;
    if (!(left >= 0)) throw untraced(tooLong);
  }

  function spendOnAll(value: unknown): void {
    for (const open = [value]; open.length > 0;) {
      const each = open.pop();
      const isText = typeof each === "string";
      spend(isText ? 1 + each.length / CHARS_PER_STEP : 1);
      if (typeof each !== "object" || each === null) continue;
      for (const member of Object.values(each)) open.push(member);
    }
  }

  return { start: () => void (left = LIMITS.filterSteps), spend, spendOnAll };
}

export const CHARS_PER_STEP = 64;

function tooLong(): GatewayError {
  return new GatewayError("upstream_protocol", "Filtering the reply takes too long");
}
