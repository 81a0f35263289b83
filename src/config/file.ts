/**
 * The config file: `mcpServers` as MCP clients write it, `servers`, and `settings`.
 *
 * Problems that make an entry unusable are collected, all of them, with the path of each; what is
 * merely not understood is a note.
 *
 * @module
 * @see contract.md, section 3
 */
import { parse as parseJsonc, type ParseError, printParseErrorCode } from "jsonc-parser";
import type { Declarations } from "../domain/server.ts";
import type { Lookup, Reading } from "./reading.ts";
import { readServer } from "./server_entry.ts";
import { readUpstream } from "./upstream_entry.ts";

export type { Declarations };

export interface ConfigFile {
  readonly settings: Readonly<Record<string, string>>;
  readonly declarations: Declarations;
  /** `${NAME}`s that entries in use refer to. */
  readonly variables: readonly string[];
  /** What was read over, for the operator to know. */
  readonly notes: readonly string[];
}

export const NO_FILE: ConfigFile = {
  settings: {},
  declarations: { upstreams: [], servers: [] },
  variables: [],
  notes: [],
};

const TOP_LEVEL = ["mcpServers", "servers", "settings", "$schema"];

/** @param problems receives every reason for which the file cannot be used */
export function parseConfigFile(text: string, lookup: Lookup, problems: string[]): ConfigFile {
  const root = parseRoot(text, problems);
  if (root === undefined) return NO_FILE;
  const notes = Object.keys(root).filter((name) => !TOP_LEVEL.includes(name))
    .map((name) => `"${name}" is not known and was skipped`);
  const reading: Reading = { problems, notes, lookup, variables: new Set() };
  const slugs = new Map<string, string>();
  const readAll = <T extends { readonly slug: string }>(
    path: "mcpServers" | "servers",
    read: (reading: Reading, name: string, value: unknown) => T | undefined,
  ): T[] =>
    entriesOf(root[path], path, problems).flatMap(([name, value]) => {
      const declaration = read(reading, name, value);
      return declaration && claim(slugs, declaration.slug, `${path}.${name}`, problems)
        ? [declaration]
        : [];
    });
  const declarations = {
    upstreams: readAll("mcpServers", readUpstream),
    servers: readAll("servers", readServer),
  };
  const settings = readSettings(entriesOf(root.settings, "settings", problems));
  return { settings, declarations, variables: [...reading.variables], notes };
}

/** Upstream servers and virtual servers share one space of URLs. */
function claim(
  slugs: Map<string, string>,
  slug: string,
  path: string,
  problems: string[],
): boolean {
  const taken = slugs.get(slug);
  if (taken !== undefined) {
    problems.push(`${path}: has the same URL name as "${taken}" (${slug})`);
    return false;
  }
  slugs.set(slug, path);
  return true;
}

function readSettings(entries: readonly [string, unknown][]): Record<string, string> {
  return Object.fromEntries(entries.map(([name, value]) => {
    const isList = Array.isArray(value) || (typeof value === "object" && value !== null);
    return [name, isList ? JSON.stringify(value) : String(value)];
  }));
}

function parseRoot(text: string, problems: string[]): Record<string, unknown> | undefined {
  const errors: ParseError[] = [];
  const plain = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const root = parseNested(plain, errors, problems);
  for (const { error, offset } of errors.slice(0, 1)) {
    const lines = plain.slice(0, offset).split("\n");
    const place = `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
    problems.push(`the file is not JSON: ${printParseErrorCode(error)} at ${place}`);
  }
  if (errors.length > 0 || root === TOO_DEEP) return undefined;
  if (isRecord(root)) return root;
  problems.push("the file must hold an object");
  return undefined;
}

const TOO_DEEP = Symbol("too deep");

/** The parser calls itself for each level: it is the stack that says how deep is too deep. */
function parseNested(text: string, errors: ParseError[], problems: string[]): unknown {
  try {
    return parseJsonc(text, errors, { allowTrailingComma: true });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.push("the file is nested too deeply");
    return TOO_DEEP;
  }
}

function entriesOf(value: unknown, path: string, problems: string[]): [string, unknown][] {
  if (value === undefined) return [];
  if (isRecord(value)) return Object.entries(value);
  problems.push(`${path}: must be an object`);
  return [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
