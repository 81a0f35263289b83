/**
 * The source of the program as text, for tests that hold it to its own rules.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

export interface SourceFile {
  /** Below the checkout: `src/mcp/relay.ts`. */
  readonly path: string;
  readonly text: string;
  /** What it imports: paths below the checkout for own files, specifiers for everything else. */
  readonly imports: readonly string[];
}

/** `main.ts` and every file of `src/`. */
export async function readSources(): Promise<readonly SourceFile[]> {
  const urls = [new URL("main.ts", ROOT)];
  for await (const url of filesIn(new URL("src/", ROOT))) urls.push(url);
  const files = urls.map(async (url) => {
    const text = await Deno.readTextFile(url);
    return { path: pathOf(url), text, imports: importsOf(url, text) };
  });
  return await Promise.all(files);
}

/** The text of every file of `tests/`. */
export async function readTests(): Promise<readonly string[]> {
  return await Array.fromAsync(filesIn(new URL("tests/", ROOT)), (url) => Deno.readTextFile(url));
}

/** Whether the checkout holds this file. */
export async function existsAtRoot(name: string): Promise<boolean> {
  for await (const entry of Deno.readDir(ROOT)) if (entry.name === name) return true;
  return false;
}

async function* filesIn(dir: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(dir)) {
    if (entry.isDirectory) yield* filesIn(new URL(`${entry.name}/`, dir));
    else if (/\.tsx?$/.test(entry.name)) yield new URL(entry.name, dir);
  }
}

function importsOf(url: URL, text: string): readonly string[] {
  const found = text.matchAll(/\bfrom\s+"([^"]+)"|\bimport\s+"([^"]+)"|\bimport\("([^"]+)"\)/g);
  return [...found].map(([, from, bare, dynamic]) => {
    const specifier = (from ?? bare ?? dynamic)!;
    return specifier.startsWith(".") ? pathOf(new URL(specifier, url)) : specifier;
  });
}

function pathOf(url: URL): string {
  return url.href.slice(ROOT.href.length);
}
