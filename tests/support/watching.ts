/**
 * A program that watches its config file and says on standard output what it declares: what
 * `src/cli/reload.ts` does in a process of its own, with the permissions of a gateway.
 *
 * @module
 */
import { configFrom, parseOptions } from "../../src/cli/args.ts";
import { watchConfig } from "../../src/cli/reload.ts";
import type { Declarations } from "../../src/config/file.ts";
import { createLog } from "../../src/telemetry/log.ts";

const { every, ...values } = parseOptions(Deno.args, { every: { type: "string" } });
const config = configFrom(values);

const say = ({ upstreams, servers }: Declarations) => {
  console.log([...upstreams, ...servers].map(({ slug }) => slug).join(" "));
  return Promise.resolve();
};

watchConfig({
  config,
  onChange: say,
  onHangup: () => Deno.exit(0),
  log: createLog({ level: "debug", format: "json", write: (line) => console.error(line.trim()) }),
  everyMs: Number(every),
});
say(config.declarations);
// Signals and timers that only watch keep no process.
setInterval(() => {}, 1_000_000);
