/**
 * Conformance: the official referees, directly, through the gateway, to its own tools, prompts and
 * resources, and through three replicas of it, compared check by check.
 *
 *     deno run -A tests/conformance/run.ts [--only TEXT] [--direct | --replicas] [--output DIR]
 *
 * `--only` keeps the runs whose title contains the text, `--direct` leaves the
 * gateway out, `--replicas` plays every run through replicas too, not only some
 * of them, `--output` keeps the referee's files. Ends with code 1 when a scored
 * scenario fails or when a side differs from the first.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { playClient, type PlayOptions, playServer } from "./play.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { LACKING } from "./replicas.ts";
import { findingsOf, type Outcome, pointsOf, tableOf } from "./report.ts";
import {
  CLIENT_RUNS,
  type ClientRun,
  isAlwaysOnReplicas,
  isWithOwn,
  SERVER_RUNS,
  type ServerRun,
  type Side,
} from "./runs.ts";

/** Client runs in progress at once; server runs are timed by the referee and go alone. */
const CLIENT_RUNS_AT_ONCE = 2;

/** What is not finished by then counts as failed. */
const PROGRAM_MS_MAX = 600_000;

if (import.meta.main) {
  const temporary = await Deno.makeTempDir({ prefix: "conformance-" });
  // Children inherit these: nothing of theirs is left even if they are killed, and their
  // errors can be quoted.
  Deno.env.set("TMPDIR", temporary);
  Deno.env.set("NO_COLOR", "1");
  const processes = createProcesses();
  const end = async (code: number) => {
    await processes.end();
    // A signal may arrive while the program is ending by itself.
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    Deno.exit(code);
  };
  Deno.addSignalListener("SIGINT", () => end(130));
  Deno.addSignalListener("SIGTERM", () => end(143));
  setTimeout(() => processes.end(), PROGRAM_MS_MAX);
  try {
    await end(await main(Deno.args, processes, temporary));
  } catch (cause) {
    console.error(cause);
    await end(1);
  }
}

async function main(args: string[], processes: Processes, temporary: string): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string", default: "" },
      direct: { type: "boolean", default: false },
      replicas: { type: "boolean", default: false },
      output: { type: "string", default: `${temporary}/output` },
    },
  });
  const { only, direct, replicas, output: directory } = values;
  if (!direct && LACKING !== undefined) console.log(`Replicas are skipped: no ${LACKING}\n`);
  const isWithReplicas = (run: Run) =>
    LACKING === undefined && (replicas || isAlwaysOnReplicas(run));
  const sidesOf = (run: Run): Side[] => {
    const sides: Side[] = "bridged" in run ? [] : ["direct"];
    if (!direct) sides.push("through");
    if (!direct && isWithOwn(run)) sides.push("own");
    if (!direct && isWithReplicas(run)) sides.push("replicas");
    return sides;
  };
  return print(await playAll(only, (run) => ({ processes, directory, sides: sidesOf(run) })));
}

type Run = ServerRun | ClientRun;

async function playAll(only: string, optionsFor: (run: Run) => PlayOptions): Promise<Outcome[]> {
  const isWanted = (run: Run) => run.title.includes(only) && optionsFor(run).sides.length > 0;
  const outcomes: Outcome[] = [];
  for (const run of SERVER_RUNS.filter(isWanted)) {
    outcomes.push(await playServer(run, optionsFor(run)));
  }

  const clientRuns = CLIENT_RUNS.filter(isWanted);
  for (let first = 0; first < clientRuns.length; first += CLIENT_RUNS_AT_ONCE) {
    const batch = clientRuns.slice(first, first + CLIENT_RUNS_AT_ONCE);
    outcomes.push(...await Promise.all(batch.map((run) => playClient(run, optionsFor(run)))));
  }
  return outcomes;
}

/** Prints table, findings and the closing line; returns the exit code. */
function print(outcomes: Outcome[]): number {
  console.log(tableOf(outcomes));
  const findings = outcomes.flatMap(findingsOf);
  if (findings.length > 0) console.log(`\n${findings.join("\n")}`);
  let passed = 0;
  let failed = 0;
  for (const outcome of outcomes) {
    const [good, bad] = pointsOf(outcome);
    passed += good;
    failed += bad;
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
