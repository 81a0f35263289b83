/**
 * Reference client: a program for the referee's `--command`. The last argument is
 * the URL, the scenario is in the environment.
 *
 * @module
 */
import { type Assignment, playScenario } from "./client_scenarios.ts";

if (import.meta.main) {
  await playScenario(Deno.args.at(-1)!, readAssignment());
  Deno.exit(0);
}

/** What the referee put into the environment of the command. */
export function readAssignment(): Assignment {
  return {
    scenario: Deno.env.get("MCP_CONFORMANCE_SCENARIO") ?? "",
    revision: Deno.env.get("MCP_CONFORMANCE_PROTOCOL_VERSION") ?? "2025-11-25",
    context: JSON.parse(Deno.env.get("MCP_CONFORMANCE_CONTEXT") ?? "{}"),
  };
}
