/**
 * The house rules that a machine can check: floors, doors, sizes, headers.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { existsAtRoot, readSources, type SourceFile } from "./support/source_files.ts";

const FLOORS = ("cli app.ts config admin http auth mcp policy catalog upstream events storage " +
  "telemetry platform domain").split(" ");

/**
 * Where each outside package may be imported, and `Deno` touched. Places are prefixes of paths; an
 * empty list is nowhere yet, a package without a row is nowhere at all.
 */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  "Deno": ["main.ts", "src/cli/", "src/platform/"],
  "hono": ["src/http/", "src/admin/"],
  "@hono/zod-openapi": ["src/admin/api/"],
  "jose": ["src/auth/", "src/upstream/credentials.ts"],
  "@logtape/logtape": ["src/telemetry/"],
  "zod": ["src/config/"],
  "jsonc-parser": ["src/config/"],
  "json-p3": ["src/upstream/rest/"],
  "@jmespath-community/jmespath": ["src/upstream/rest/"],
  "yaml": ["src/catalog/openapi/"],
  "kysely": ["src/storage/"],
  "kysely-postgres-js": ["src/storage/postgres"],
  "postgres": ["src/storage/postgres"],
  "ajv": ["src/policy/guardrails/"],
  "ajv-draft-04": ["src/policy/guardrails/"],
  "ajv-formats": ["src/policy/guardrails/"],
  "redis": ["src/platform/redis.ts"],
  "re2js": ["src/policy/guardrails/"],
  "mustache": ["src/catalog/text_template.ts"],
  "@modelcontextprotocol/core": [],
  "@modelcontextprotocol/client": [],
  "@modelcontextprotocol/server": [],
  "@modelcontextprotocol/sdk": [],
  "node:dns": ["src/platform/"],
  "node:process": ["src/platform/pace.ts"],
  "node:sqlite": ["src/storage/sqlite.ts"],
  "node:util": ["src/cli/"],
  // These only compute: nothing enters or leaves the process through them.
  "node:buffer": ["src/"],
  "node:crypto": ["src/"],
  "node:timers": ["src/"],
};

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 60;
const FACTORY_LINES_MAX = 120;

/** Data that reads best in one piece. */
const TABLES = ["src/config/entries.ts"];

/** Functions over the budget, with the size that they must not outgrow. */
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {
  // One state machine: its parts share the buffer and the place in it.
  "src/platform/http1/connection.ts createConnection": 230,
  "src/upstream/sse_reader.ts createSseReader": 140,
  // The same: a place in a stream, what waits behind it, and whether that is all there is.
  "src/mcp/session/reader.ts createReader": 165,
};

const ENTRY_POINTS = ["main.ts", "src/cli/launch.ts"];

const sources = await readSources();

Deno.test("every file has a floor", () => {
  assertEquals(paths(inSrc().filter((file) => floorOf(file.path) < 0)), []);
});

Deno.test("imports never climb", () => {
  const findings = inSrc().flatMap(({ path, imports }) =>
    imports.filter((target) => target.startsWith("src/") && floorOf(target) < floorOf(path))
      .map((target) => `${path} climbs to ${target}`)
  );
  assertEquals(findings, []);
});

Deno.test("nothing in src imports what lies outside of it", () => {
  const findings = inSrc().flatMap(({ path, imports }) =>
    imports.filter((target) => /^(?:main\.ts|tests\/|fixtures\/|\.\.)/.test(target))
      .map((target) => `${path} imports ${target}`)
  );
  assertEquals(findings, []);
});

Deno.test("each outside package enters through its own door", () => {
  const findings = sources.flatMap(({ path, imports }) =>
    imports.filter((target) => !/^(?:src\/|main\.ts)/.test(target))
      .filter((target) => !isAllowed(packageOf(target), path))
      .map((target) => `${path} imports ${target}`)
  );
  assertEquals(findings, []);
});

Deno.test("the Deno global is touched only in its allowed places", () => {
  const touching = sources.filter(({ text }) => /\bDeno\b/.test(withoutWords(text)));
  assertEquals(paths(touching.filter(({ path }) => !isAllowed("Deno", path))), []);
});

Deno.test("no file is longer than 500 lines", () => {
  const long = sources.filter(({ path, text }) =>
    !TABLES.includes(path) && text.split("\n").length - 1 > FILE_LINES_MAX
  );
  assertEquals(paths(long), []);
});

Deno.test("no function is longer than a screen, no factory longer than two", () => {
  const findings = sources.filter(({ path }) => !TABLES.includes(path)).flatMap((file) =>
    functionsOf(file.text).flatMap(({ name, lines }) => {
      const budget = name.startsWith("create") ? FACTORY_LINES_MAX : FUNCTION_LINES_MAX;
      const max = LONG_FUNCTIONS[`${file.path} ${name}`] ?? budget;
      return lines > max ? [`${file.path} ${name}: ${lines} lines, at most ${max}`] : [];
    })
  );
  assertEquals(findings, []);
});

Deno.test("every listed long function exists and still needs its row", () => {
  const long = sources.flatMap(({ path, text }) =>
    functionsOf(text).filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ name }) => `${path} ${name}`)
  );
  assertEquals(Object.keys(LONG_FUNCTIONS).filter((name) => !long.includes(name)), []);
});

Deno.test("every file begins with a header that says what it is for", () => {
  const headless = sources.filter(({ text }) => {
    const header = /^\/\*\*.*?\*\//s.exec(text)?.[0];
    return header === undefined || !/^ \* @module$/m.test(header) || !/[a-z]/.test(header);
  });
  assertEquals(paths(headless), []);
});

Deno.test('no file uses the type "any"', () => {
  const findings = sources.filter(({ text }) =>
    /(?:[:<|,]\s*|\bas\s+)any\b/.test(withoutWords(text))
  );
  assertEquals(paths(findings), []);
});

Deno.test("no file holds a note on work to be done", () => {
  assertEquals(paths(sources.filter(({ text }) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(text))), []);
});

Deno.test("no file has a default export", () => {
  assertEquals(paths(sources.filter(({ text }) => /^export default\b/m.test(text))), []);
});

Deno.test("file names are in snake case", () => {
  assertEquals(
    paths(sources.filter(({ path }) => !/^(?:[a-z0-9_]+\/)*[a-z0-9_]+\.tsx?$/.test(path))),
    [],
  );
});

Deno.test("there is no package.json at the root: it changes how Deno resolves packages", async () => {
  assertEquals(await existsAtRoot("package.json"), false);
});

Deno.test("every file is reachable from an entry point", () => {
  const byPath = new Map(sources.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const open = [...ENTRY_POINTS];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    open.push(...(byPath.get(path)?.imports.filter((target) => byPath.has(target)) ?? []));
  }
  assertEquals(paths(sources).filter((path) => !reached.has(path)), []);
});

function inSrc(): readonly SourceFile[] {
  return sources.filter(({ path }) => path.startsWith("src/"));
}

function paths(files: readonly SourceFile[]): string[] {
  return files.map(({ path }) => path);
}

/** 0 is the roof; -1 means outside every floor. */
/** `app/` holds the parts of `app.ts`. */
function floorOf(path: string): number {
  const floor = path.split("/")[1]!;
  return FLOORS.indexOf(floor === "app" ? "app.ts" : floor);
}

function isAllowed(name: string, path: string): boolean {
  return (DOORS[name] ?? []).some((place) => path.startsWith(place));
}

/** `hono/jsx` → `hono`, `@a/b/c` → `@a/b`, `node:dns/promises` → `node:dns`. */
function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Code without comments and texts, roughly: enough to look for words in what is left. */
function withoutWords(text: string): string {
  return text.replace(/\/\*.*?\*\//gs, "").replace(/\/\/.*$/gm, "")
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
}

/** Named functions and methods, found by the indentation that `deno fmt` gives them. */
function functionsOf(text: string): { name: string; lines: number }[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const start = /^(\s*)(?:export )?(?:async )?(?:function\*? (\w+)|\*?(\w+)(?:<.*>)?\(.*\{$)/
      .exec(line);
    const name = start?.[2] ?? start?.[3];
    if (!name || /^(?:if|for|while|switch|catch|return|constructor)$/.test(name)) return [];
    const end = lines.findIndex((other, i) => i > at && /^(\s*)\}/.exec(other)?.[1] === start![1]);
    return [{ name, lines: end - at + 1 }];
  });
}
