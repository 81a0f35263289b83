/**
 * Referee: runs the published conformance package and reads what it wrote.
 *
 * The package prints totals, but only the `checks.json` files tell which check had
 * which outcome; those are what two runs are compared by.
 *
 * @module
 */
import type { Finished, Processes } from "./processes.ts";
import type { ClientRun, ServerRun } from "./runs.ts";
import type { Check, Verdict } from "./verdict.ts";

/** A referee that takes longer hangs; a healthy run takes two seconds. */
const RUN_MS_MAX = 45_000;

/** Plays a server run against the endpoint at `url`; keeps the files in `directory`. */
export async function judgeServer(
  processes: Processes,
  run: ServerRun,
  url: string,
  directory: string,
): Promise<Verdict> {
  const args = ["run", "-A", run.referee, "server", "--url", url, ...run.selection];
  const finished = await processes.finish([...args, "-o", directory], RUN_MS_MAX);
  const scenarios = await readChecks(directory, "server-");
  const problem = problemOf(finished, scenarios);
  return { scenarios, unscored: unscoredIn(finished.stdout), ...(problem && { problem }) };
}

/** Plays a client run with the client that `command` starts; the URL is appended to it. */
export async function judgeClient(
  processes: Processes,
  run: ClientRun,
  command: string,
  directory: string,
): Promise<Verdict> {
  const args = ["run", "-A", run.referee, "client", "--command", command];
  const selection = ["--scenario", run.scenario, "--spec-version", run.revision];
  const finished = await processes.finish([...args, ...selection, "-o", directory], RUN_MS_MAX);
  const scenarios = await readChecks(directory, "");
  const problem = problemOf(finished, scenarios) ?? clientProblem(finished);
  return { scenarios, unscored: new Set(), ...(problem && { problem }) };
}

/**
 * Reads `<directory>/<prefix><scenario>-<timestamp>/checks.json`, one per scenario;
 * a scenario name may contain slashes.
 */
async function readChecks(directory: string, prefix: string): Promise<Map<string, Check[]>> {
  const scenarios = new Map<string, Check[]>();
  for await (const path of checkFiles(directory)) {
    const folder = path.slice(directory.length + 1, -"/checks.json".length);
    const scenario = folder.slice(prefix.length).replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");
    const checks = JSON.parse(await Deno.readTextFile(path)) as Check[];
    scenarios.set(scenario, checks.map(({ id, status }) => ({ id, status })));
  }
  return scenarios;
}

async function* checkFiles(directory: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* checkFiles(path);
    else if (entry.name === "checks.json") yield path;
  }
}

/** The referee lists scenarios that do not count as `✓ name (reason)`, indented. */
function unscoredIn(stdout: string): Set<string> {
  const section = stdout.split(/^Not scored for /m)[1] ?? "";
  return new Set([...section.matchAll(/^ {2}[✓✗] (\S+) \(/gm)].map((match) => match[1]!));
}

function problemOf(finished: Finished, scenarios: Map<string, unknown>): string | undefined {
  if (finished.isTimedOut) return `The referee did not end within ${RUN_MS_MAX} ms`;
  if (scenarios.size > 0) return undefined;
  return `The referee wrote no checks (code ${finished.code}): ${firstLines(finished.stderr)}`;
}

/** Why the client ended badly; a client that merely failed checks shows in those. */
function clientProblem({ stderr }: Finished): string | undefined {
  const why = /^Client (?:exited with code|timed out)[^\n]*/m.exec(stderr)?.[0];
  if (why === undefined) return undefined;
  const output = stderr.split(/^Stderr:$/m)[1]?.split(/^Results saved/m)[0] ?? "";
  return `${why}: ${firstLines(output)}`;
}

function firstLines(text: string): string {
  return text.trim().split("\n").slice(0, 6).join("\n");
}
