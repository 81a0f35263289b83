/**
 * Programs that tests start by the hundred, put into few files: half of what a start costs is to find
 * and read six hundred files.
 *
 * `tests/run.ts` builds them. Where it did not, and wherever a test gives flags of its own, the
 * sources are started as they are.
 *
 * @module
 */
import { pathOf, ROOT } from "./spawn.ts";

const PLACE = "SALLYPORT_TESTS_BUILT";

/** Where from the checkout's root they are. */
const SCRIPTS = ["main.ts", "fixtures/everything/main.ts"] as const;

/** What to start in place of this script. */
export function builtOr(script: string): string {
  const place = Deno.env.get(PLACE);
  const isBuilt = place !== undefined && SCRIPTS.some((one) => one === script);
  return isBuilt ? `${place}/${script.replace(/ts$/, "js")}` : pathOf(script);
}

/**
 * Builds them into this directory.
 *
 * @returns the environment that has them used; nothing when it cannot be done here
 */
export async function build(dir: string): Promise<Readonly<Record<string, string>>> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    // The one package whose exports the bundler does not find when it is loaded late.
    args: ["bundle", "--platform=deno", "--code-splitting", "--keep-names", "--external=redis"]
      .concat("--outdir", dir, SCRIPTS),
    cwd: ROOT,
  }).output();
  if (success) return { [PLACE]: dir };
  console.error(`Started from their sources, as they cannot be bundled:`);
  console.error(new TextDecoder().decode(stderr));
  return {};
}
