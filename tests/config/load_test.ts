/**
 * Flags, environment, file and defaults become one configuration, or all problems at once.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ENTRIES } from "../../src/config/entries.ts";
import { ConfigError, type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { LIMITS } from "../../src/domain/limits.ts";

interface Given {
  readonly flags?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** What `./sallyport.json` holds. */
  readonly file?: unknown;
  /** Further files by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly configPath?: string;
  readonly dataDir?: string;
}

const HIDDEN = "hidden-7f3a";

Deno.test("the defaults are those of the contract", () => {
  const config = load();
  assertEquals({ host: config.host, port: config.port, dataDir: config.dataDir }, {
    host: "127.0.0.1",
    port: 4444,
    dataDir: "./data",
  });
});

Deno.test("every default is one that its own parser takes", () => {
  for (const { env, parse, default: value } of Object.values(ENTRIES)) {
    if (value !== undefined) assert.doesNotThrow(() => parse(value), env);
  }
});

Deno.test("no two settings share a name", () => {
  const names = Object.values(ENTRIES).map(({ env }) => env);
  assertEquals(names.length, new Set(names).size);
});

for (
  const [what, given, port] of [
    ["the default", {}, 4444],
    ["the file before the default", { file: { PORT: 1 } }, 1],
    ["the environment before the file", { file: { PORT: 1 }, env: { PORT: "2" } }, 2],
    ["the flag before all", { file: { PORT: 1 }, env: { PORT: "2" }, flags: { PORT: "3" } }, 3],
    ["the flag before the file", { file: { PORT: 1 }, flags: { PORT: "3" } }, 3],
    ["the file before an empty variable", { file: { PORT: 1 }, env: { PORT: "" } }, 1],
  ] satisfies [string, Given, number][]
) {
  Deno.test(`the port is that of ${what}`, () => {
    const { file, ...others } = given as Given;
    assertEquals(load({ ...others, file: { settings: file } }).port, port);
  });
}

Deno.test("an optional setting that nobody gives is absent", () => {
  assertEquals(load().publicUrl, undefined);
});

Deno.test("the configuration is frozen", () => {
  assert(Object.isFrozen(load()));
});

Deno.test("an unknown setting of the file is noted", () => {
  assertEquals(load({ file: { settings: { PROT: 1 } } }).notes, [
    "settings.PROT is not known, skipped",
  ]);
});

Deno.test("the file ./sallyport.json is read when it exists", () => {
  assertEquals(load({ file: {} }).configPath, "./sallyport.json");
});

Deno.test("no file is needed", () => {
  assertEquals(load().configPath, undefined);
});

Deno.test("SALLYPORT_CONFIG names the file", () => {
  const files = { "a.json": '{"settings":{"PORT":5}}' };
  assertEquals(load({ env: { SALLYPORT_CONFIG: "a.json" }, files }).port, 5);
});

Deno.test("--config counts before SALLYPORT_CONFIG", () => {
  const files = { "a.json": '{"settings":{"PORT":5}}', "b.json": '{"settings":{"PORT":6}}' };
  assertEquals(load({ configPath: "b.json", env: { SALLYPORT_CONFIG: "a.json" }, files }).port, 6);
});

for (const given of [{ configPath: "a.json" }, { env: { SALLYPORT_CONFIG: "a.json" } }]) {
  Deno.test(`a file that is named by ${Object.keys(given)} must exist`, () => {
    assertEquals(problemsOf(given), ['Config file "a.json": does not exist']);
  });
}

Deno.test("a file that cannot be read is a problem that names it", () => {
  assertEquals(problemsOf({ configPath: "unreadable" }), [
    'Config file "unreadable": cannot be read: Not for you',
  ]);
});

Deno.test("a file over the bound is a problem that says which", () => {
  const files = { "a.json": " ".repeat(LIMITS.configFileBytes + 1) };
  assertEquals(problemsOf({ configPath: "a.json", files }), [
    `Config file "a.json": is larger than ${LIMITS.configFileBytes} bytes`,
  ]);
});

Deno.test("the text of the file is kept, for a reload to compare with", () => {
  assertEquals(load({ file: { settings: {} } }).configText, '{"settings":{}}');
});

Deno.test("what the file declares is in the configuration", () => {
  const file = { mcpServers: { a: { command: "x" } }, servers: { b: {} } };
  const { upstreams, servers } = load({ file }).declarations;
  assertEquals([...upstreams, ...servers].map(({ slug }) => slug), ["a", "b"]);
});

Deno.test("problems of the file name it", () => {
  assertEquals(problemsOf({ file: { mcpServers: { a: {} } } }), [
    'Config file "./sallyport.json": mcpServers.a: needs a "url" (or a "command")',
  ]);
});

Deno.test("the variables of the file come from the environment", () => {
  const file = { mcpServers: { a: { url: "http://${NAME}/mcp" } } };
  const { declarations, variables } = load({ file, env: { NAME: "a.example" } });
  const [server] = declarations.upstreams;
  assertEquals([server?.transport === "http" && server.url.host, variables], [
    "a.example",
    ["NAME"],
  ]);
});

for (const [env, value] of wrongValues()) {
  Deno.test(`a wrong ${env} is a problem that begins with its name`, () => {
    assertEquals(problemsOf({ env: { [env]: value } }).map((one) => one.split(" ")[0]), [env]);
  });
}

Deno.test("all problems come at once, from all sources", () => {
  const problems = problemsOf({
    flags: { PORT: "x" },
    env: { TOOL_TIMEOUT: "soon", JWT_SECRET_KEY: "short" },
    file: { settings: { LOG_LEVEL: "loud" }, mcpServers: { a: {} } },
  });
  assertEquals(problems.map((problem) => problem.split(" ")[0]).sort(), [
    "Config",
    "JWT_SECRET_KEY",
    "LOG_LEVEL",
    "PORT",
    "TOOL_TIMEOUT",
  ]);
});

Deno.test("the error's text is one line per problem", () => {
  const error = new ConfigError(["PORT is wrong", "HOST is wrong"]);
  assertEquals(error.message, "PORT is wrong\nHOST is wrong");
});

for (const entry of Object.values(ENTRIES).filter(({ isSecret }) => isSecret)) {
  for (const value of [HIDDEN, `my-test-key-${HIDDEN}-0123456789-abcdefgh`]) {
    for (const source of ["environment", "file"]) {
      Deno.test(`a wrong ${entry.env} of ${value.length} characters in the ${source} is not shown`, () => {
        const given = source === "file"
          ? { file: { settings: { [entry.env]: value } } }
          : { env: { [entry.env]: value } };
        assert(!problemsOf(given).join().includes(HIDDEN));
      });
    }
  }
}

/** For each setting a value that it cannot have, where there is one. */
function wrongValues(): [string, string][] {
  return Object.values(ENTRIES).flatMap(({ env, parse }): [string, string][] => {
    const wrong = ["\t", "not//a value"].find((value) => {
      try {
        parse(value);
        return false;
      } catch {
        return true;
      }
    });
    return wrong === undefined ? [] : [[env, wrong]];
  });
}

function load(given: Given = {}) {
  const { flags = {}, env = {}, file, files = {}, configPath, dataDir } = given;
  const all: Record<string, string> = { ...files };
  if (file !== undefined) all["./sallyport.json"] = JSON.stringify(file);
  const sources: ConfigSources = {
    flags,
    dataDir,
    configPath,
    env: (name) => env[name],
    readFile(path) {
      if (path === "unreadable") throw new Error("Not for you");
      return all[path];
    },
  };
  return loadConfig(sources);
}

function problemsOf(given: Given): readonly string[] {
  try {
    load(given);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("The configuration has no problems");
}
