/**
 * A Deno process of this checkout: only the variables that it is given, and what it writes kept.
 *
 * @module
 */
export const ROOT = new URL("../../", import.meta.url);

/** The path of a file of this checkout. */
export function pathOf(name: string): string {
  return decodeURIComponent(new URL(name, ROOT).pathname);
}

/** What Deno itself needs to find its cache and start. */
const INHERITED = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "XDG_CACHE_HOME"];

/**
 * @param args what follows `deno`
 * @param before commands of the shell that then becomes the process, such as `ulimit`
 */
export function spawnDeno(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string | URL = ROOT,
  before?: string,
) {
  const deno = Deno.execPath();
  return before === undefined
    ? spawn(deno, args, env, cwd)
    : spawn("sh", ["-c", `${before}; exec "$@"`, "sh", deno, ...args], env, cwd);
}

/** A shell that runs these commands. */
export function spawnShell(
  commands: string,
  env: Readonly<Record<string, string>>,
  cwd: string | URL,
) {
  return spawn("bash", ["-c", commands], env, cwd);
}

function spawn(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string | URL,
) {
  const inherited = INHERITED.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return { child, stdout: collect(child.stdout), stderr: collect(child.stderr) };
}

/** Reads a pipe to its end, so that the process never waits for us. */
function collect(pipe: ReadableStream<Uint8Array>) {
  let text = "";
  let onText = () => {};
  const ended = (async () => {
    for await (const part of pipe.pipeThrough(new TextDecoderStream())) {
      text += part;
      onText();
    }
  })();
  return {
    ended,
    text: () => text,
    find: (pattern: RegExp) =>
      new Promise<RegExpMatchArray>((resolve) => {
        onText = () => {
          const match = text.match(pattern);
          if (match) resolve(match);
        };
        onText();
      }),
  };
}
