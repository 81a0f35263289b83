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
import { differences, type Verdict } from "./verdict.ts";

export interface PlayOptions {
  readonly processes: Processes;
  /** Without the gateway. */
  readonly isDirectOnly: boolean;
  /** Where the referee's files go; one folder per run and side is made in it. */
  readonly directory: string;
}

export function playServer(run: ServerRun, options: PlayOptions): Promise<Outcome> {
  const { processes } = options;
  return compare(run.title, options, async (side, directory) => {
    await using fixture = await startFixture(processes);
    const url = `${fixture.origin}/mcp`;
    if (side === "direct") return await judgeServer(processes, run, url, directory);
    await using gateway = await startGateway(processes, url);
    const isVirtual = run.through === "virtual server";
    const endpoint = isVirtual ? gateway.virtualEndpoint : gateway.endpoint;
    return await judgeServer(processes, run, endpoint, directory);
  });
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
  const direct = await onSide("direct");
  if (options.isDirectOnly) return { title, direct, differences: [] };
  const through = await onSide("through");
  return { title, direct, through, differences: differences(direct, through) };
}

function startFixture(processes: Processes): Promise<Listener> {
  return processes.listen(["run", "-A", "fixtures/everything/main.ts", "--port", "0"]);
}
