/**
 * Config files as a test writes them, and what is read from them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { parseConfigFile } from "../../src/config/file.ts";
import type { HttpUpstream, StdioUpstream } from "../../src/domain/server.ts";

export type Fields = Readonly<Record<string, unknown>>;
export type Variables = Readonly<Record<string, string>>;

export const ENV: Variables = {
  TOKEN: "hidden-token",
  HOST_NAME: "tools.example.com",
  EMPTY: "",
};

export const URL_FIELD = { url: "http://a.example/mcp" };

/** A file with one entry of `mcpServers`. */
export function entry(fields: Fields, name = "a"): string {
  return JSON.stringify({ mcpServers: { [name]: fields } });
}

/** A file with one entry of `servers`. */
export function server(fields: Fields, name = "a"): string {
  return JSON.stringify({ servers: { [name]: fields } });
}

export function readAll(text: string, env: Variables = ENV) {
  const problems: string[] = [];
  return { ...parseConfigFile(text, (name) => env[name], problems), problems };
}

/** For a file without problems. */
export function read(text: string, env?: Variables) {
  const { problems, ...file } = readAll(text, env);
  assertEquals(problems, []);
  return file;
}

export function problemsOf(text: string, env?: Variables): string[] {
  return readAll(text, env).problems;
}

export function notesOf(text: string): readonly string[] {
  return read(text).notes;
}

/** The one upstream server of a file with this entry, reached over HTTP. */
export function only(fields: Fields, env?: Variables): Omit<HttpUpstream, "id" | "seq"> {
  const [declaration] = read(entry(fields), env).declarations.upstreams;
  if (declaration?.transport === "stdio") throw new Error("It is a stdio server");
  return declaration!;
}

/** The one upstream server of a file with this entry, a program. */
export function onlyStdio(fields: Fields, env?: Variables): Omit<StdioUpstream, "id" | "seq"> {
  const [declaration] = read(entry(fields), env).declarations.upstreams;
  if (declaration?.transport !== "stdio") throw new Error("It is no stdio server");
  return declaration;
}
