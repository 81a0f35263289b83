/**
 * A program for the referee's `--command`: starts a gateway whose only upstream is the referee's
 * server, then plays the scenario against the gateway.
 *
 * @module
 */
import { readAssignment } from "./client.ts";
import { playScenario } from "./client_scenarios.ts";
import type { StartGateway } from "./gateway.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { startShield } from "./shield.ts";

/** Less than the referee's own patience of 30 s, so that the reason is still told. */
const RUN_MS_MAX = 25_000;

/** Plays what the referee assigned, and ends the program. */
export async function playBehind(start: StartGateway): Promise<void> {
  const processes = createProcesses();
  const giveUp = (why: unknown) => {
    console.error(why instanceof Error ? why.message : why);
    void processes.end().then(() => Deno.exit(1));
  };
  Deno.addSignalListener("SIGTERM", () => giveUp("Stopped"));
  setTimeout(() => giveUp(`Not finished after ${RUN_MS_MAX} ms`), RUN_MS_MAX);
  await play(start, processes, Deno.args.at(-1)!).then(() => Deno.exit(0), giveUp);
}

async function play(start: StartGateway, processes: Processes, upstreamUrl: string): Promise<void> {
  await using shield = startShield(upstreamUrl);
  await using gateway = await start(processes, shield.url);
  await playScenario(gateway.endpoint, readAssignment());
}
