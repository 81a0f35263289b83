/**
 * The benchmark: `deno task bench [--short] [--soak] [--contenders a,b] [--cases a,b] [--out FILE]`.
 *
 * Exit code 0 when every answer was right, whatever the figures; 1 when answers were wrong or a process
 * failed; 2 when it was called wrongly. `README.md` says what is measured.
 *
 * @module
 */

import { parseArgs } from "node:util";

import { type BenchCase, CASES } from "./cases.ts";
import {
  type Contender,
  CONTENDER_NAMES,
  type ContenderName,
  program,
  startContender,
  startStub,
} from "./contenders.ts";
import { resultsOf } from "./figures.ts";
import { type Bench, FULL_PLAN, measureAll, runCase, type Sample, SHORT_PLAN } from "./measure.ts";
import { createProcesses } from "./processes.ts";
import { reportOf, writeReport } from "./report.ts";
import { soak, soakReport } from "./soak.ts";
import { measureStarts } from "./start_time.ts";

const SOAK_REQUESTS = 200_000;
const STARTS = 5;
const PREHEAT_MS = 1_500;
const DOCUMENT = new URL("../../docs/performance.md", import.meta.url);

interface Options {
  readonly isShort: boolean;
  readonly isSoak: boolean;
  readonly contenders: readonly ContenderName[];
  readonly cases: readonly BenchCase[];
  /** Where the report goes besides stdout; a run that is not whole does not touch the document. */
  readonly out: string | URL | undefined;
}

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
    for (const name of options.contenders) {
      contenders.push(await startContender(processes, name, stub, scratchDir));
    }
    const pids = [Deno.pid, load.pid, stub.pid, ...contenders.map((it) => it.listener.pid)];
    const bench = { load, contenders, ownPids: [...new Set(pids)] };
    if (options.isSoak) return await runSoak(bench);
    return await runCases(bench, options, () => {
      return measureStarts(processes, options.contenders, stub, scratchDir, STARTS);
    });
  } finally {
    await stop();
  }
}

async function runCases(
  bench: Bench,
  options: Options,
  takeStarts: () => ReturnType<typeof measureStarts>,
): Promise<number> {
  const plan = options.isShort ? SHORT_PLAN : FULL_PLAN;
  const starts = options.isShort ? undefined : await takeStarts();
  if (!options.isShort) await preheat(bench);
  const samples = await measureAll(bench, options.cases, plan, logSample);
  const report = reportOf(resultsOf(samples), plan, starts);
  console.log(report);
  if (options.out !== undefined) await writeReport(options.out, report);
  return verdict(samples);
}

/** Load on everyone before the first case, so that no contender meets it cold. */
async function preheat(bench: Bench): Promise<void> {
  const which = CASES.find(({ name }) => name === "call-1k-32");
  if (which === undefined) return;
  for (const contender of bench.contenders) {
    await runCase(bench, which, contender, 0, { durationMs: PREHEAT_MS });
  }
}

async function runSoak(bench: Bench): Promise<number> {
  const which = CASES.find(({ name }) => name === "call-1k-32");
  const contender = bench.contenders.at(-1);
  if (which === undefined || contender === undefined) return 1;
  const result = await soak(bench, which, contender, SOAK_REQUESTS);
  console.log(soakReport(contender.name, result));
  for (const what of result.wrongSamples) console.error(`Wrong answer: ${what}`);
  return result.wrong === 0 ? 0 : 1;
}

function verdict(samples: readonly Sample[]): number {
  const bad = samples.filter(({ result }) => result.wrong > 0 || result.requests === 0);
  for (const { which, contender, result } of bad) {
    console.error(`WRONG ANSWERS: ${contender}, ${which.name}: ${result.wrong} wrong`);
    if (result.requests === 0) console.error("  no answer was completed in the window");
    for (const what of result.wrongSamples) console.error(`  ${what}`);
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

/** @throws {Error} when the command line is not understood */
function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      short: { type: "boolean", default: false },
      soak: { type: "boolean", default: false },
      contenders: { type: "string" },
      cases: { type: "string" },
      out: { type: "string" },
    },
  });
  const contenders = choose(CONTENDER_NAMES, (it) => it, values.contenders);
  const cases = choose(CASES, (it) => it.name, values.cases);
  const isWhole = contenders.length === CONTENDER_NAMES.length && cases.length === CASES.length;
  const document = isWhole && !values.short ? DOCUMENT : undefined;
  return {
    isShort: values.short,
    isSoak: values.soak,
    contenders,
    cases,
    out: values.out ?? document,
  };
}

function choose<T>(
  all: readonly T[],
  nameOf: (item: T) => string,
  list: string | undefined,
): readonly T[] {
  if (list === undefined) return all;
  const names = list.split(",");
  const unknown = names.filter((name) => !all.some((item) => nameOf(item) === name));
  if (unknown.length > 0) {
    throw new Error(`Unknown "${unknown.join()}": choose from ${all.map(nameOf).join()}`);
  }
  return all.filter((item) => names.includes(nameOf(item)));
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
