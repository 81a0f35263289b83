/**
 * Starts the process: arguments to the command line, its exit code back.
 *
 * @module
 */
import { main } from "./src/cli/cli.ts";

Deno.exit(await main(Deno.args));
