/**
 * Every test that needs nothing but this checkout; arguments are those of `deno test`, and files
 * of `tests/` in place of all.
 *
 * @module
 */
import { build } from "./support/built.ts";

/** More than there are cores: much of what tests do is to wait. */
const FILES_AT_ONCE = 5;

const isNamed = Deno.args.some((arg) => arg.startsWith("tests/"));
const built = new URL("../dist/tests", import.meta.url).pathname;
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "--parallel", "--no-check", "-A", ...isNamed ? [] : ["tests"], ...Deno.args],
  env: { DENO_JOBS: String(FILES_AT_ONCE), ...await build(built) },
}).spawn().status;
Deno.exitCode = code;
