/**
 * Verdict: what a referee wrote down about one run, reduced to what can be
 * compared and counted.
 *
 * @module
 */

/** One check of `checks.json`; everything else in there is explanation. */
export interface Check {
  readonly id: string;
  /** `INFO` marks a log line of the referee, not a judgement. */
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
}

export interface Verdict {
  readonly scenarios: ReadonlyMap<string, readonly Check[]>;
  /** Scenarios that the referee ran for information only. */
  readonly unscored: ReadonlySet<string>;
  /** Whatever went wrong beside the checks: a client that crashed, a referee that hung. */
  readonly problem?: string;
}

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly warnings: number;
  readonly scored: number;
  readonly scoredPassed: number;
}

export interface Difference {
  readonly scenario: string;
  readonly check: string;
  readonly status: string;
  /** How often on the one side, and on the other. */
  readonly counts: readonly [number, number];
}

/** Scenarios that count and did not pass, with the ids of the checks that failed. */
export function failedScored(verdict: Verdict): { scenario: string; checks: string[] }[] {
  return scoredScenarios(verdict)
    .map(([scenario, checks]) => ({
      scenario,
      checks: checks.filter((check) => check.status === "FAILURE").map((check) => check.id),
    }))
    .filter(({ checks }) => checks.length > 0);
}

export function totalsOf(verdict: Verdict): Totals {
  const checks = [...verdict.scenarios.values()].flat();
  const withStatus = (status: string) => checks.filter((check) => check.status === status).length;
  const scored = scoredScenarios(verdict).length;
  return {
    passed: withStatus("SUCCESS"),
    failed: withStatus("FAILURE"),
    warnings: withStatus("WARNING"),
    scored,
    scoredPassed: scored - failedScored(verdict).length,
  };
}

/** The same, without failures of these checks. */
export function withoutFailures(verdict: Verdict, ids: readonly string[]): Verdict {
  const scenarios = [...verdict.scenarios].map(([scenario, checks]): [string, Check[]] => {
    return [scenario, checks.filter((one) => one.status !== "FAILURE" || !ids.includes(one.id))];
  });
  return { ...verdict, scenarios: new Map(scenarios) };
}

/** Every scenario, check and status that did not occur equally often on both sides. */
export function differences(one: Verdict, other: Verdict): Difference[] {
  const left = occurrences(one);
  const right = occurrences(other);
  return [...new Set([...left.keys(), ...right.keys()])].sort().flatMap((key) => {
    const [scenario = "", check = "", status = ""] = key.split("\t");
    const counts = [left.get(key) ?? 0, right.get(key) ?? 0] as const;
    return counts[0] === counts[1] ? [] : [{ scenario, check, status, counts }];
  });
}

function scoredScenarios(verdict: Verdict): [string, readonly Check[]][] {
  return [...verdict.scenarios].filter(([scenario]) => !verdict.unscored.has(scenario));
}

function occurrences(verdict: Verdict): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [scenario, checks] of verdict.scenarios) {
    for (const { id, status } of checks) {
      if (status === "INFO") continue;
      const key = `${scenario}\t${id}\t${status}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}
