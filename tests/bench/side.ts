/**
 * Two contenders under the same load at the same time, each with a load generator of its own: what the
 * machine does meanwhile, it does to both. For ratios near a bar, which rounds one after the other
 * cannot tell apart on a shared machine.
 *
 * @module
 */

import { type CaseName, CASES, type HoldingName } from "./cases.ts";
import type { ContenderName } from "./contenders.ts";
import { median } from "./figures.ts";
import { program } from "./gateway.ts";
import { type Bench, type HoldingPlan, runCase } from "./measure.ts";
import type { Processes } from "./processes.ts";
import type { JobResult } from "./types.ts";

/** A contender of a case against another one. */
export interface Side {
  readonly name: Extract<
    CaseName,
    `${"bridge" | "rest"}-${string}` | "callers-1k-32" | "mcp-call-1k-32"
  >;
  /** By which name it is asked for. */
  readonly holding: Extract<HoldingName, `${string}-side-by-side`>;
  readonly contender: ContenderName;
  readonly other: ContenderName;
}

const BRIDGE = {
  holding: "bridge-side-by-side",
  contender: "sallyport-bridge",
  other: "sallyport-jwt",
} as const;

const SIDES: readonly Side[] = [
  { name: "bridge-call-1k-32", ...BRIDGE },
  { name: "bridge-session-call-1k-32", ...BRIDGE },
  {
    name: "callers-1k-32",
    holding: "callers-side-by-side",
    contender: "mcp-callers",
    other: "mcp-open",
  },
  {
    name: "mcp-call-1k-32",
    holding: "audit-side-by-side",
    contender: "mcp-20",
    other: "mcp-silent",
  },
  {
    name: "rest-call-1k-32",
    holding: "rest-side-by-side",
    contender: "sallyport-rest",
    other: "pass-through",
  },
];

export function sidesOf(holdings: readonly HoldingName[]): readonly Side[] {
  return SIDES.filter(({ holding }) => holdings.includes(holding));
}

export interface SideFigures extends Side {
  /** How many times the other's CPU time per request, in each window. */
  readonly ratios: readonly number[];
  readonly wrong: number;
  readonly wrongSamples: readonly string[];
}

export async function measureSides(
  processes: Processes,
  bench: Bench,
  plan: HoldingPlan,
  sides: readonly Side[],
): Promise<SideFigures[]> {
  if (sides.length === 0) return [];
  const second: Bench = { ...bench, load: processes.startLoadGenerator(program("load.ts")) };
  const figures: SideFigures[] = [];
  for (const side of sides) {
    const which = CASES.find(({ name }) => name === side.name)!;
    const [contender, other] = [side.contender, side.other].map((name) =>
      bench.contenders.find((one) => one.name === name)
    );
    if (contender === undefined || other === undefined) continue;
    const both = (durationMs: number) =>
      Promise.all([
        runCase(bench, which, contender, plan.sideWarmupMs, { durationMs }),
        runCase(second, which, other, plan.sideWarmupMs, { durationMs }),
      ]);
    // Until V8 has translated all of it: how long that takes is not what is asked here.
    const all = [await both(plan.sideHeatMs)];
    for (let window = 0; window < plan.sideWindows; window++) all.push(await both(plan.sideMs));
    const results = all.flat();
    figures.push({
      ...side,
      ratios: all.slice(1).map(([one, two]) => cpuUs(one) / cpuUs(two)),
      wrong: results.reduce((sum, { wrong }) => sum + wrong, 0),
      wrongSamples: results.flatMap(({ wrongSamples }) => wrongSamples),
    });
    console.error(`side by side ${side.name}: ${median(figures.at(-1)!.ratios).toFixed(2)}×`);
  }
  return figures;
}

function cpuUs({ cpuUs, requests }: JobResult): number {
  return cpuUs / requests;
}

/** Median of the windows, for a bar; `undefined` where it was not measured. */
export function sideRatio(sides: readonly SideFigures[], name: Side["name"]): number | undefined {
  const found = sides.find((side) => side.name === name);
  return found === undefined || found.wrong > 0 ? undefined : median(found.ratios);
}
