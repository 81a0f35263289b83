/**
 * Report: results as lines of text.
 *
 * @module
 */
import { type Difference, failedScored, totalsOf, type Verdict } from "./verdict.ts";

export interface Outcome {
  readonly title: string;
  /** Absent where the server does not speak the referee's era. */
  readonly direct?: Verdict;
  /** Absent when only the direct side was asked for. */
  readonly through?: Verdict;
  readonly differences: readonly Difference[];
}

const COLUMNS = ["passed", "failed", "warnings", "scored"] as const;

/** One line per run and side, columns aligned. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const width = Math.max(3, ...outcomes.map((outcome) => outcome.title.length));
  const header = ["run".padEnd(width), "side   ", ...COLUMNS.map((name) => name.padStart(8))];
  const rows = outcomes.flatMap(({ title, direct, through }) => [
    ...(direct ? [rowOf(title.padEnd(width), "direct", direct)] : []),
    ...(through ? [rowOf((direct ? "" : title).padEnd(width), "through", through)] : []),
  ]);
  return [header.join(" "), ...rows].join("\n");
}

/** Everything that keeps the outcome from being perfect, one finding per line. */
export function findingsOf({ title, direct, through, differences }: Outcome): string[] {
  return [
    ...(direct ? sideFindings(title, "direct", direct) : []),
    ...(through ? sideFindings(title, "through", through) : []),
    ...differences.map(({ scenario, check, status, direct, through }) =>
      `${title}: ${scenario}: ${check} ${status}: direct ${direct}, through ${through}`
    ),
  ];
}

/** One point per scored scenario and side, and one per comparison that found no difference. */
export function pointsOf({ direct, through, differences }: Outcome): [number, number] {
  let passed = 0;
  let failed = 0;
  for (const verdict of [direct, through]) {
    if (verdict === undefined) continue;
    const { scored, scoredPassed } = totalsOf(verdict);
    passed += scoredPassed;
    failed += scored - scoredPassed + (verdict.problem ? 1 : 0);
  }
  if (!direct || !through) return [passed, failed];
  return differences.length === 0 ? [passed + 1, failed] : [passed, failed + 1];
}

function rowOf(title: string, side: string, verdict: Verdict): string {
  const { passed, failed, warnings, scored, scoredPassed } = totalsOf(verdict);
  const cells = [passed, failed, warnings, `${scoredPassed}/${scored}`];
  return [title, side.padEnd(7), ...cells.map((cell) => String(cell).padStart(8))].join(" ");
}

function sideFindings(title: string, side: string, verdict: Verdict): string[] {
  return [
    ...(verdict.problem ? [`${title}: ${side}: ${verdict.problem}`] : []),
    ...failedScored(verdict).map(({ scenario, checks }) =>
      `${title}: ${side}: ${scenario} failed: ${checks.join(", ")}`
    ),
  ];
}
