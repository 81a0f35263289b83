/**
 * The config file: `mcpServers` as MCP clients write it, and `settings`.
 *
 * Problems that make an entry unusable are collected, all of them, with the path of each; what is
 * merely not understood is a note.
 *
 * @module
 * @see contract.md, section 3
 */
import { parse as parseJsonc, type ParseError, printParseErrorCode } from "jsonc-parser";
import { z } from "zod";
import { isSlug, slugOf, type UpstreamServer } from "../domain/server.ts";
import { parseDuration } from "./entry.ts";

export interface ConfigFile {
  readonly settings: Readonly<Record<string, string>>;
  readonly upstreams: readonly UpstreamServer[];
  /** `${NAME}`s that entries in use refer to. */
  readonly variables: readonly string[];
  /** What was read over, for the operator to know. */
  readonly notes: readonly string[];
}

export const NO_FILE: ConfigFile = { settings: {}, upstreams: [], variables: [], notes: [] };

const TOP_LEVEL = ["mcpServers", "servers", "settings", "$schema"];

const serverEntry = z.looseObject({
  type: z.string().optional(),
  url: z.string().optional(),
  command: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  title: z.string().optional(),
  visibility: z.enum(["public", "team", "private"]).optional(),
  team: z.string().optional(),
  owner: z.string().optional(),
  timeout: z.union([z.string(), z.number()]).optional(),
  disabled: z.boolean().optional(),
});

type ServerEntry = z.infer<typeof serverEntry>;

/** Read by the entry's schema or meant for later: not worth a note. */
const KNOWN_FIELDS = new Set([
  ...Object.keys(serverEntry.shape),
  ..."args env expose passthroughHeaders".split(" "),
]);

const TRANSPORTS: ReadonlyMap<string, UpstreamServer["transport"]> = new Map([
  ["http", "http"],
  ["streamable-http", "http"],
  ["streamablehttp", "http"],
]);

/**
 * @param lookup value of an environment variable
 * @param problems receives every reason for which the file cannot be used
 */
export function parseConfigFile(
  text: string,
  lookup: (name: string) => string | undefined,
  problems: string[],
): ConfigFile {
  const root = parseRoot(text, problems);
  if (root === undefined) return NO_FILE;
  const notes = Object.keys(root).filter((name) => !TOP_LEVEL.includes(name))
    .map((name) => `"${name}" is not known and was skipped`);
  refuseForeignServers(root.servers, problems);
  if (root.servers !== undefined) notes.push('"servers" is not served yet and was skipped');
  const reader = createEntryReader(lookup, problems, notes);
  for (const [name, value] of entriesOf(root.mcpServers, "mcpServers", problems)) {
    reader.read(name, value);
  }
  const settings: Record<string, string> = {};
  for (const [name, value] of entriesOf(root.settings, "settings", problems)) {
    const isList = Array.isArray(value) || (typeof value === "object" && value !== null);
    settings[name] = isList ? JSON.stringify(value) : String(value);
  }
  return { settings, upstreams: reader.upstreams, variables: [...reader.variables], notes };
}

function parseRoot(text: string, problems: string[]): Record<string, unknown> | undefined {
  const errors: ParseError[] = [];
  const plain = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const root: unknown = parseJsonc(plain, errors, { allowTrailingComma: true });
  for (const { error, offset } of errors.slice(0, 1)) {
    const lines = plain.slice(0, offset).split("\n");
    const place = `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
    problems.push(`the file is not JSON: ${printParseErrorCode(error)} at ${place}`);
  }
  if (errors.length > 0) return undefined;
  if (isRecord(root)) return root;
  problems.push("the file must hold an object");
  return undefined;
}

function entriesOf(value: unknown, path: string, problems: string[]): [string, unknown][] {
  if (value === undefined) return [];
  if (isRecord(value)) return Object.entries(value);
  problems.push(`${path}: must be an object`);
  return [];
}

/** Another client's file names its MCP servers `servers`; here that means virtual servers. */
function refuseForeignServers(servers: unknown, problems: string[]): void {
  if (!isRecord(servers)) return;
  for (const [name, value] of Object.entries(servers)) {
    if (isRecord(value) && ("command" in value || "url" in value)) {
      problems.push(`servers.${name}: has a command or url; rename "servers" to "mcpServers"`);
    }
  }
}

function createEntryReader(
  lookup: (name: string) => string | undefined,
  problems: string[],
  notes: string[],
) {
  const upstreams: UpstreamServer[] = [];
  const variables = new Set<string>();

  function read(name: string, value: unknown): void {
    const path = `mcpServers.${name}`;
    const parsed = serverEntry.safeParse(value);
    if (!parsed.success) {
      for (const issue of parsed.error.issues) {
        problems.push(`${[path, ...issue.path].join(".")}: ${issue.message}`);
      }
      return;
    }
    const entry = parsed.data;
    for (const field of Object.keys(entry)) {
      if (!KNOWN_FIELDS.has(field)) notes.push(`${path}.${field} is not known and was skipped`);
    }
    if (entry.disabled) return;
    if (entry.command !== undefined) {
      notes.push(`${path} is a stdio server: not served yet, skipped`);
      return;
    }
    if (entry.type?.toLowerCase() === "sse") {
      notes.push(`${path} is a server of the 2024-11-05 transport: not served yet, skipped`);
      return;
    }
    const server = toUpstream(name, path, entry);
    if (server === undefined) return;
    const taken = upstreams.find((other) => other.slug === server.slug);
    if (taken) problems.push(`${path}: has the same URL name as "${taken.name}" (${server.slug})`);
    else upstreams.push(server);
  }

  function toUpstream(name: string, path: string, entry: ServerEntry): UpstreamServer | undefined {
    const before = problems.length;
    const slug = slugOf(name);
    if (!isSlug(slug)) problems.push(`${path}: the name needs letters or digits, at most 128`);
    const type = (entry.type ?? "http").toLowerCase();
    const transport = TRANSPORTS.get(type);
    if (transport === undefined) {
      problems.push(`${path}.type: must be http, sse, or absent with a command; got "${type}"`);
    }
    const url = parseUrl(entry.url, path);
    const headers: Record<string, string> = {};
    for (const [header, value] of Object.entries(entry.headers ?? {})) {
      headers[header] = headerValue(header, value, `${path}.headers.${header}`);
    }
    const visibility = entry.visibility ?? "public";
    if (visibility === "team" && !entry.team) problems.push(`${path}.team: needed with "team"`);
    if (visibility === "private" && !entry.owner) {
      problems.push(`${path}.owner: needed with "private"`);
    }
    const timeoutMs = parseTimeout(entry.timeout, path);
    if (problems.length > before) return undefined;
    const { title, team, owner } = entry;
    return {
      name,
      slug,
      title,
      url: url!,
      transport: transport!,
      headers,
      visibility,
      team,
      owner,
      timeoutMs,
    };
  }

  function parseUrl(text: string | undefined, path: string): URL | undefined {
    if (text === undefined) {
      problems.push(`${path}: needs a "url" (or a "command")`);
      return undefined;
    }
    const full = substitute(text, `${path}.url`);
    const url = URL.canParse(full) ? new URL(full) : undefined;
    if (!url || !/^https?:$/.test(url.protocol)) {
      problems.push(`${path}.url: must be an http or https URL`);
    } else if (url.username !== "" || url.password !== "" || url.hash !== "") {
      problems.push(`${path}.url: must not hold credentials or a fragment; use "headers"`);
    }
    return url;
  }

  function headerValue(name: string, text: string, path: string): string {
    const value = substitute(text, path);
    const isFraming = /^(?:host|content-length|transfer-encoding|connection|content-type|accept)$/i;
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || isFraming.test(name)) {
      problems.push(`${path}: the header cannot be set here`);
    }
    if (!/^[\x20-\x7e]*$/.test(value)) problems.push(`${path}: must be printable ASCII`);
    return value;
  }

  function parseTimeout(value: string | number | undefined, path: string): number | undefined {
    if (value === undefined) return undefined;
    try {
      return parseDuration(String(value));
    } catch (error) {
      problems.push(`${path}.timeout: ${(error as Error).message}`);
      return undefined;
    }
  }

  function substitute(text: string, path: string): string {
    return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      variables.add(name);
      const value = lookup(name);
      if (value === undefined) problems.push(`${path}: the environment has no ${name}`);
      return value ?? "";
    });
  }

  return { read, upstreams, variables };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
