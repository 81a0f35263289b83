/**
 * Play: one run on several sides: direct, through a gateway of its own, through one that answers
 * what is simple itself, through replicas of its own.
 *
 * Each side has its own fixture server, so that what one side changed cannot show
 * on the other.
 *
 * @module
 */
import { type Gateway, startGateway } from "./gateway.ts";
import { startOwnGateway } from "./own_gateway.ts";
import type { Listener, Processes } from "./processes.ts";
import { judgeClient, judgeServer } from "./referee.ts";
import { startReplicas } from "./replicas.ts";
import type { Outcome } from "./report.ts";
import type { ClientRun, ServerRun, Side } from "./runs.ts";
import { differences, type Verdict, withoutFailures } from "./verdict.ts";

export interface PlayOptions {
  readonly processes: Processes;
  /** All are compared with the first. */
  readonly sides: readonly Side[];
  /** Where the referee's files go; one folder per run and side is made in it. */
  readonly directory: string;
}

export function playServer(run: ServerRun, options: PlayOptions): Promise<Outcome> {
  const { processes } = options;
  const { era, cannot } = run.bridged ?? { era: "both", cannot: [] };
  // What a replica was not asked says nothing about it.
  const isUnused = (count: number) => count === 0;
  return compare(run.title, options, async (side, directory) => {
    await using fixture = await startFixture(processes, era);
    const url = `${fixture.origin}/mcp`;
    if (side === "direct") return await judgeServer(processes, run, url, directory);
    if (side === "through") {
      await using gateway = await startGateway(processes, url);
      const verdict = await judgeServer(processes, run, endpointOf(run, gateway), directory);
      return withoutFailures(verdict, cannot);
    }
    if (side === "own") {
      await using gateway = await startOwnGateway(processes, fixture);
      const verdict = await judgeServer(processes, run, gateway.endpoint, directory);
      await gateway.check();
      return verdict;
    }
    await using replicas = await startReplicas(processes, url);
    const verdict = await judgeServer(processes, run, endpointOf(run, replicas), directory);
    const counts = replicas.counts();
    if (counts.some(isUnused)) throw new Error(`Requests per replica: ${counts.join(", ")}`);
    return withoutFailures(verdict, cannot);
  });
}

/** None for `own`: the referee's server is what clients are judged by. */
const CLIENTS: Readonly<Partial<Record<Side, string>>> = {
  direct: "client.ts",
  through: "gateway_client.ts",
  replicas: "replicas_client.ts",
};

export function playClient(run: ClientRun, options: PlayOptions): Promise<Outcome> {
  return compare(run.title, options, (side, directory) => {
    // The referee hands this to a shell; `exec` leaves none behind for its signals to stop at.
    const command = `exec ${Deno.execPath()} run -A tests/conformance/${CLIENTS[side]}`;
    return judgeClient(options.processes, run, command, directory);
  });
}

async function compare(
  title: string,
  options: PlayOptions,
  judge: (side: Side, directory: string) => Promise<Verdict>,
): Promise<Outcome> {
  const onSide = async (side: Side): Promise<Verdict> => {
    const directory = `${options.directory}/${title.replaceAll(/[^\w.-]+/g, "_")}/${side}`;
    await Deno.mkdir(directory, { recursive: true });
    try {
      return await judge(side, directory);
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      return { scenarios: new Map(), unscored: new Set(), problem };
    }
  };
  const verdicts = new Map<Side, Verdict>();
  for (const side of options.sides) verdicts.set(side, await onSide(side));
  const [first, ...others] = verdicts;
  return {
    title,
    verdicts,
    comparisons: others.map(([side, verdict]) => ({
      sides: [first![0], side],
      differences: differences(first![1], verdict),
    })),
  };
}

function endpointOf(run: ServerRun, gateway: Gateway): string {
  return run.through === "virtual server" ? gateway.virtualEndpoint : gateway.endpoint;
}

function startFixture(processes: Processes, era: string): Promise<Listener> {
  const program = "fixtures/everything/main.ts";
  return processes.listen(["run", "-A", program, "--port", "0", "--era", era]);
}
