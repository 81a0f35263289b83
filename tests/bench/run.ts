/**
 * The benchmark: `deno task bench [--short] [--soak] [--contenders a,b] [--cases a,b] [--out FILE]`.
 *
 * Exit code 0 when every answer was right, whatever the figures; 1 when answers were wrong or a process
 * failed; 2 when it was called wrongly. `README.md` says what is measured.
 *
 * @module
 */

import { type CaseName, CASES, type HoldingName } from "./cases.ts";
import { type Contender, type ContenderName, startContender, startStub } from "./contenders.ts";
import { measureDiscovery } from "./discovery.ts";
import { measureFairness } from "./fairness.ts";
import { measureFaulty } from "./faulty.ts";
import { resultsOf } from "./figures.ts";
import { program } from "./gateway.ts";
import { GROWTH_CONTENDERS, measureGrowth } from "./growth.ts";
import { discoveryOf, fairnessOf, faultyOf, type Held, idleOf } from "./held.ts";
import { measureIdle } from "./idle.ts";
import {
  type Bench,
  FULL_PLAN,
  type HoldingPlan,
  measureAll,
  runCase,
  type Sample,
  SHORT_PLAN,
  SOAK_PLAN,
} from "./measure.ts";
import { measureImport } from "./openapi_import.ts";
import { type Options, parseOptions } from "./options.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { reportOf, writeReport } from "./report.ts";
import { growthSection } from "./report_held.ts";
import { measureScale } from "./scale.ts";
import { measureSides, sidesOf } from "./side.ts";
import { soak, soakReport } from "./soak.ts";
import { measureStarts } from "./start_time.ts";
import type { Faults } from "./types.ts";
import { measureValidation } from "./validation.ts";

const SOAK_REQUESTS = 200_000;
const STARTS = 5;
const IMPORTED = 1_000;
const PREHEAT_MS = 1_500;

/** Runs what was asked for. Returns the exit code. */
async function main(options: Options): Promise<number> {
  const scratchDir = await Deno.makeTempDir({ prefix: "sallyport-bench-" });
  const processes = createProcesses();
  const stop = once(async () => {
    await processes.stopAll();
    await Deno.remove(scratchDir, { recursive: true });
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop().finally(() => Deno.exit(1)));
  }
  try {
    const load = processes.startLoadGenerator(program("load.ts"));
    const stub = await startStub(processes);
    const contenders: Contender[] = [];
    for (const name of options.contenders.filter((it) => isNeeded(it, options))) {
      contenders.push(await startContender(processes, name, stub, scratchDir));
    }
    const pids = [Deno.pid, load.pid, stub.pid, ...contenders.map((it) => it.listener.pid)];
    const bench = { load, stub, contenders, ownPids: [...new Set(pids)] };
    if (options.isSoak) return await runSoak(bench, options);
    return await runCases(processes, bench, options, scratchDir);
  } finally {
    await stop();
  }
}

/** Whether a case needs this contender for the whole run. */
function isNeeded(name: ContenderName, { cases, holdings }: Options): boolean {
  return cases.some(({ contenders }) => contenders.includes(name)) ||
    (holdings.includes("session-growth") && GROWTH_CONTENDERS.includes(name)) ||
    sidesOf(holdings).some(({ contender, other }) => contender === name || other === name);
}

async function runCases(
  processes: Processes,
  bench: Bench,
  options: Options,
  scratchDir: string,
): Promise<number> {
  const { isShort, contenders } = options;
  const plan = isShort ? SHORT_PLAN : FULL_PLAN;
  const starts = isShort
    ? undefined
    : await measureStarts(processes, contenders, bench.stub, scratchDir, STARTS);
  if (!isShort) await preheat(bench);
  const samples = await measureAll(bench, options.cases, plan, logSample);
  const { held, judged: judgedHeld } = await measureHeld(
    processes,
    bench,
    options,
    scratchDir,
    plan.holding,
  );
  const report = reportOf(resultsOf(samples), held, plan, starts);
  console.log(report);
  if (options.out !== undefined) await writeReport(options.out, report);
  const judged: Judged[] = [
    ...samples.map(({ which, contender, result }) => ({
      name: `${contender}, ${which.name}`,
      faults: result,
      isEmpty: result.requests === 0,
    })),
    ...judgedHeld,
  ];
  return verdict(judged);
}

/** What is no case of load. */
async function measureHeld(
  processes: Processes,
  bench: Bench,
  { holdings, contenders }: Options,
  scratchDir: string,
  plan: HoldingPlan,
): Promise<{ held: Held; judged: Judged[] }> {
  const has = (name: HoldingName) => holdings.includes(name);
  // These are of the gateway alone, started anew.
  const hasGateway = contenders.includes("sallyport-jwt");
  const idle = has("session-idle")
    ? await measureIdle(processes, bench, contenders, scratchDir, plan, ({ contender }) => {
      console.error(`session-idle ${contender}`);
    })
    : [];
  const growth = has("session-growth") ? await measureGrowth(bench, plan) : undefined;
  const faulty = has("mcp-faulty-20") && hasGateway
    ? await measureFaulty(processes, bench, scratchDir, plan)
    : [];
  const discovery = has("mcp-discovery-5000") && hasGateway
    ? await measureDiscovery(processes, bench, scratchDir, plan)
    : [];
  const fairness = has("fair-10-times") && hasGateway
    ? await measureFairness(processes, bench, scratchDir, plan)
    : [];
  const scale = has("scale-50000") && hasGateway
    ? await measureScale(processes, bench, scratchDir)
    : undefined;
  const imported = has("import-1000") && hasGateway
    ? await measureImport(processes, scratchDir, IMPORTED)
    : undefined;
  const validation = has("validation-10k") ? measureValidation(plan.checkWindows) : undefined;
  const sides = await measureSides(processes, bench, plan, sidesOf(holdings));
  return {
    held: {
      sides,
      scale,
      imported,
      validation,
      idle: idleOf(idle),
      growth,
      faulty: faultyOf(faulty),
      discovery: discoveryOf(discovery),
      fairness: fairnessOf(fairness),
    },
    judged: [
      ...idle.map((it) => ({ name: `${it.contender}, session-idle`, faults: it })),
      ...sides.map((it) => ({ name: `side by side, ${it.name}`, faults: it })),
      ...(growth ? [{ name: `${growth.contender}, session-growth`, faults: growth }] : []),
      ...faulty.map((it) => ({ name: "mcp-faulty-20", faults: it, isEmpty: it.lists === 0 })),
      ...discovery.map((it) => ({ name: "mcp-discovery-5000", faults: it })),
      ...fairness.map((it) => ({ name: "fair-10-times", faults: it })),
    ],
  };
}

/** Those that have no tool of the usual case. */
const PREHEATED_BY: Readonly<Partial<Record<ContenderName, CaseName>>> = {
  "mcp-session": "mcp-session-call-1k-32",
  "sallyport-rest": "rest-call-1k-32",
};

/** Load on everyone before the first case, so that no contender meets it cold. */
async function preheat(bench: Bench): Promise<void> {
  for (const contender of bench.contenders) {
    const usual = PREHEATED_BY[contender.name] ?? "call-1k-32";
    const which = CASES.find(({ name }) => name === usual);
    if (which === undefined) continue;
    await runCase(bench, which, contender, 0, { durationMs: PREHEAT_MS });
  }
}

/** Calls and sessions, or what is chosen of them, each through the last contender that takes part. */
async function runSoak(bench: Bench, { cases, holdings }: Options): Promise<number> {
  const judged: Judged[] = [];
  const which = cases.find(({ name }) => name === "call-1k-32");
  const contender = bench.contenders.findLast(({ name }) => which?.contenders.includes(name));
  if (which !== undefined && contender !== undefined) {
    const result = await soak(bench, which, contender, SOAK_REQUESTS);
    console.log(soakReport(contender.name, result));
    judged.push({ name: `${contender.name}, calls`, faults: result });
  }
  const growth = holdings.includes("session-growth")
    ? await measureGrowth(bench, SOAK_PLAN)
    : undefined;
  if (growth !== undefined) {
    console.log(growthSection(growth));
    judged.push({ name: `${growth.contender}, sessions`, faults: growth });
  }
  return judged.length === 0 ? 1 : verdict(judged);
}

/** Something that can have gone wrong. */
interface Judged {
  readonly name: string;
  readonly faults: Faults;
  /** Nothing was measured at all. */
  readonly isEmpty?: boolean;
}

function verdict(all: readonly Judged[]): number {
  const bad = all.filter(({ faults, isEmpty }) => faults.wrong > 0 || isEmpty);
  for (const { name, faults, isEmpty } of bad) {
    console.error(`WRONG ANSWERS: ${name}: ${faults.wrong} wrong`);
    if (isEmpty) console.error("  no answer was completed in the window");
    for (const what of faults.wrongSamples) console.error(`  ${what}`);
  }
  return bad.length === 0 ? 0 : 1;
}

function logSample({ which, contender, round, result, isDisturbed }: Sample): void {
  const units = result.requests * which.unitsPerRequest;
  const cpuUs = (result.cpuUs / units).toFixed(1);
  const others = (result.foreignCores + result.stealCores).toFixed(2);
  const note = isDisturbed ? `, disturbed: others took ${others} cores` : "";
  const wrong = result.wrong > 0 ? `, ${result.wrong} WRONG` : "";
  const perSecond = Math.round(units / result.wallMs * 1000);
  console.error(
    `${which.name} round ${round + 1} ${contender}: ${perSecond}/s, ${cpuUs} CPU-µs${note}${wrong}`,
  );
}

/** However often it is called: the work is done once, and everyone waits for it. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => done ??= work();
}

if (import.meta.main) {
  let options: Options;
  try {
    options = parseOptions(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(2);
  }
  try {
    Deno.exit(await main(options));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
