/**
 * Play: one run, direct and through a gateway of its own.
 *
 * Each side has its own fixture server, so that what one side changed cannot show
 * on the other.
 *
 * @module
 */
import { startGateway } from "./gateway.ts";
import type { Listener, Processes } from "./processes.ts";
import { judgeClient, judgeServer } from "./referee.ts";
import type { Outcome } from "./report.ts";
import type { ClientRun, ServerRun } from "./runs.ts";
import { differences, type Verdict, withoutFailures } from "./verdict.ts";

export interface PlayOptions {
  readonly processes: Processes;
  /** Without the gateway. */
  readonly isDirectOnly: boolean;
  /** Where the referee's files go; one folder per run and side is made in it. */
  readonly directory: string;
}

export async function playServer(run: ServerRun, options: PlayOptions): Promise<Outcome> {
  const { processes } = options;
  const { era, cannot } = run.bridged ?? { era: "both", cannot: [] };
  const outcome = await compare(run.title, options, async (side, directory) => {
    await using fixture = await startFixture(processes, era);
    const url = `${fixture.origin}/mcp`;
    if (side === "direct") return await judgeServer(processes, run, url, directory);
    await using gateway = await startGateway(processes, url);
    const isVirtual = run.through === "virtual server";
    const endpoint = isVirtual ? gateway.virtualEndpoint : gateway.endpoint;
    return await judgeServer(processes, run, endpoint, directory);
  }, run.bridged === undefined);
  const { through } = outcome;
  if (through === undefined) return outcome;
  return { ...outcome, through: withoutFailures(through, cannot) };
}

export function playClient(run: ClientRun, options: PlayOptions): Promise<Outcome> {
  const { processes } = options;
  return compare(run.title, options, (side, directory) => {
    const program = side === "direct" ? "client.ts" : "gateway_client.ts";
    // The referee hands this to a shell; `exec` leaves none behind for its signals to stop at.
    const command = `exec ${Deno.execPath()} run -A tests/conformance/${program}`;
    return judgeClient(processes, run, command, directory);
  });
}

type Side = "direct" | "through";

async function compare(
  title: string,
  options: PlayOptions,
  judge: (side: Side, directory: string) => Promise<Verdict>,
  hasDirect = true,
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
  if (!hasDirect) {
    const nothing = { title, differences: [] };
    return options.isDirectOnly ? nothing : { ...nothing, through: await onSide("through") };
  }
  const direct = await onSide("direct");
  if (options.isDirectOnly) return { title, direct, differences: [] };
  const through = await onSide("through");
  return { title, direct, through, differences: differences(direct, through) };
}

function startFixture(processes: Processes, era: string): Promise<Listener> {
  const program = "fixtures/everything/main.ts";
  return processes.listen(["run", "-A", program, "--port", "0", "--era", era]);
}
