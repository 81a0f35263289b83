/**
 * Report: results as lines of text.
 *
 * @module
 */
import type { Side } from "./runs.ts";
import { type Difference, failedScored, totalsOf, type Verdict } from "./verdict.ts";

export interface Outcome {
  readonly title: string;
  readonly verdicts: ReadonlyMap<Side, Verdict>;
  /** One for each side but the first. */
  readonly comparisons: readonly Comparison[];
}

export interface Comparison {
  readonly sides: readonly [Side, Side];
  readonly differences: readonly Difference[];
}

const COLUMNS = ["passed", "failed", "warnings", "scored"] as const;

/** One line per run and side, columns aligned. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const width = Math.max(3, ...outcomes.map((outcome) => outcome.title.length));
  const header = ["run".padEnd(width), "side    ", ...COLUMNS.map((name) => name.padStart(8))];
  const rows = outcomes.flatMap(({ title, verdicts }) =>
    [...verdicts].map(([side, verdict], i) =>
      rowOf((i === 0 ? title : "").padEnd(width), side, verdict)
    )
  );
  return [header.join(" "), ...rows].join("\n");
}

/** Everything that keeps the outcome from being perfect, one finding per line. */
export function findingsOf({ title, verdicts, comparisons }: Outcome): string[] {
  // Where a side has no checks, its problem says it all.
  const wasJudged = (side: Side) => (verdicts.get(side)?.scenarios.size ?? 0) > 0;
  return [
    ...[...verdicts].flatMap(([side, verdict]) => sideFindings(title, side, verdict)),
    ...comparisons.filter(({ sides }) => sides.every(wasJudged)).flatMap(
      ({ sides: [one, other], differences }) =>
        differences.map(({ scenario, check, status, counts }) =>
          `${title}: ${scenario}: ${check} ${status}: ${one} ${counts[0]}, ${other} ${counts[1]}`
        ),
    ),
  ];
}

/** One point per scored scenario and side, and one per comparison that found no difference. */
export function pointsOf({ verdicts, comparisons }: Outcome): [number, number] {
  const equal = comparisons.filter(({ differences }) => differences.length === 0).length;
  let passed = equal;
  let failed = comparisons.length - equal;
  for (const verdict of verdicts.values()) {
    const { scored, scoredPassed } = totalsOf(verdict);
    passed += scoredPassed;
    failed += scored - scoredPassed + (verdict.problem ? 1 : 0);
  }
  return [passed, failed];
}

function rowOf(title: string, side: string, verdict: Verdict): string {
  const { passed, failed, warnings, scored, scoredPassed } = totalsOf(verdict);
  const cells = [passed, failed, warnings, `${scoredPassed}/${scored}`];
  return [title, side.padEnd(8), ...cells.map((cell) => String(cell).padStart(8))].join(" ");
}

function sideFindings(title: string, side: string, verdict: Verdict): string[] {
  return [
    ...(verdict.problem ? [`${title}: ${side}: ${verdict.problem}`] : []),
    ...failedScored(verdict).map(({ scenario, checks }) =>
      `${title}: ${side}: ${scenario} failed: ${checks.join(", ")}`
    ),
  ];
}
