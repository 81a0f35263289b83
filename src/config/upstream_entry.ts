/**
 * Entries of `mcpServers`: the servers behind the gateway, as MCP clients write them.
 *
 * @module
 * @see contract.md, section 3
 */
import { z } from "zod";
import type { HttpUpstream, StdioUpstream, UpstreamDeclaration } from "../domain/server.ts";
import { isHeaderValue, isPassable, isSettable } from "../upstream/header_fields.ts";
import { duration } from "./entry.ts";
import { BASE_FIELDS, isEnabled, readAudience, readSlug } from "./entry_base.ts";
import {
  createSubstitute,
  noteUnknown,
  type Reading,
  readShape,
  type Substitute,
} from "./reading.ts";
import { authEntry, readAuth } from "./upstream_auth.ts";

const HTTP_FIELDS = {
  url: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  auth: authEntry.optional(),
  passthroughHeaders: z.array(z.string()).optional(),
};

const STDIO_FIELDS = {
  command: z.string().optional(),
  args: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  cwd: z.string().optional(),
};

const upstreamEntry = z.looseObject({
  ...BASE_FIELDS,
  ...HTTP_FIELDS,
  ...STDIO_FIELDS,
  type: z.string().optional(),
  timeout: z.union([z.string(), z.number()]).optional(),
  expose: z.boolean().optional(),
  tags: z.array(z.string()).optional(),
});

type UpstreamEntry = z.infer<typeof upstreamEntry>;

type HttpPart = Pick<
  HttpUpstream,
  "transport" | "url" | "shownUrl" | "headers" | "auth" | "passthroughHeaders"
>;
type StdioPart = Pick<
  StdioUpstream,
  "transport" | "command" | "args" | "env" | "cwd" | "passthroughHeaders"
>;

/** What reading the members of one entry needs. */
interface EntryReading extends Reading {
  readonly path: string;
  readonly substitute: Substitute;
}

const TRANSPORTS: ReadonlyMap<string, HttpUpstream["transport"]> = new Map([
  ["http", "http"],
  ["streamable-http", "http"],
  ["streamablehttp", "http"],
  ["sse", "sse"],
]);

/** Never resolves (RFC 6761): stands in for a URL that is not known, of a server that is not used. */
const NO_URL = "http://disabled.invalid/";

/** `undefined` after a problem. */
export function readUpstream(
  reading: Reading,
  name: string,
  value: unknown,
): UpstreamDeclaration | undefined {
  const path = `mcpServers.${name}`;
  const { problems } = reading;
  const before = problems.length;
  const entry = readShape(reading, upstreamEntry, value, path);
  if (entry === undefined) return undefined;
  noteUnknown(reading, entry, upstreamEntry.shape, path);
  const enabled = isEnabled(entry);
  const own = { ...reading, path, substitute: createSubstitute(reading, !enabled) };
  const base = {
    name,
    slug: readSlug(reading, name, path),
    title: entry.title,
    ...readAudience(reading, entry, path),
    timeoutMs: readTimeout(own, entry.timeout),
    enabled,
    expose: entry.expose ?? true,
    declared: true,
    tags: entry.tags ?? [],
  };
  const declaration = entry.command === undefined
    ? { ...base, ...readHttp(own, entry) }
    : { ...base, ...readStdio(own, entry, entry.command) };
  return problems.length > before ? undefined : declaration;
}

function readHttp(reading: EntryReading, entry: UpstreamEntry): HttpPart {
  const { problems, notes, path, substitute } = reading;
  noteIdle(reading, entry, STDIO_FIELDS, "a server with a url");
  const type = (entry.type ?? "http").toLowerCase();
  const transport = TRANSPORTS.get(type);
  if (type === "stdio") problems.push(`${path}: needs a "command"`);
  else if (transport === undefined) {
    problems.push(`${path}.type: must be http, sse, or absent with a command; got "${type}"`);
  } else if (entry.url === undefined) problems.push(`${path}: needs a "url" (or a "command")`);
  const headers = readHeaders(reading, entry.headers ?? {});
  const auth = readAuth(reading, substitute, entry.auth, `${path}.auth`);
  const isAuth = auth.type === "header" ? auth.name.toLowerCase() : "authorization";
  if (auth.type !== "none" && Object.keys(headers).some((one) => one.toLowerCase() === isAuth)) {
    notes.push(`${path}.headers: the one of "auth" is sent in place of "${isAuth}"`);
  }
  return {
    transport: transport ?? "http",
    url: readUrl(reading, entry.url ?? NO_URL),
    // What a variable holds may be a secret.
    ...entry.url?.includes("${") && { shownUrl: entry.url },
    headers,
    auth,
    passthroughHeaders: readPassthrough(reading, entry.passthroughHeaders ?? []),
  };
}

function readUrl({ problems, path, substitute }: EntryReading, text: string): URL {
  const full = substitute(text, `${path}.url`) ?? NO_URL;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    problems.push(`${path}.url: must be an http or https URL`);
  } else if (url.username !== "" || url.password !== "" || url.hash !== "") {
    problems.push(`${path}.url: must not hold credentials or a fragment; use "headers" or "auth"`);
  }
  return url ?? new URL(NO_URL);
}

function readHeaders(
  { problems, path, substitute }: EntryReading,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: [string, string][] = [];
  for (const [name, text] of Object.entries(given)) {
    const place = `${path}.headers.${name}`;
    const value = substitute(text, place) ?? "";
    if (!isSettable(name)) problems.push(`${place}: the header cannot be set here`);
    if (!isHeaderValue(value)) problems.push(`${place}: must be printable ASCII`);
    if (headers.some(([other]) => other.toLowerCase() === name.toLowerCase())) {
      problems.push(`${place}: is there twice`);
    }
    headers.push([name, value]);
  }
  return Object.fromEntries(headers);
}

function readPassthrough({ problems, path }: EntryReading, given: readonly string[]): string[] {
  for (const name of given) {
    if (isPassable(name)) continue;
    problems.push(`${path}.passthroughHeaders: "${name}" is never passed on`);
  }
  return [...new Set(given.map((name) => name.toLowerCase()))];
}

function readStdio(reading: EntryReading, entry: UpstreamEntry, text: string): StdioPart {
  const { problems, path, substitute } = reading;
  if (entry.url !== undefined) problems.push(`${path}: has both a "url" and a "command"`);
  noteIdle(reading, entry, { ...HTTP_FIELDS, url: undefined }, "a stdio server");
  if (entry.type !== undefined && entry.type.toLowerCase() !== "stdio") {
    problems.push(`${path}.type: must be stdio or absent with a command`);
  }

  /** The system ends texts at the first NUL. */
  const plain = (value: string, place: string) => {
    const full = substitute(value, place) ?? "";
    if (full.includes("\0")) problems.push(`${place}: must not hold a NUL`);
    return full;
  };
  const command = plain(text, `${path}.command`);
  if (text.trim() === "") problems.push(`${path}.command: must not be empty`);
  if (text.startsWith("~")) {
    problems.push(`${path}.command: "~" means nothing without a shell; write "\${HOME}"`);
  }
  if (entry.cwd === "") problems.push(`${path}.cwd: must not be empty`);
  const env: [string, string][] = [];
  for (const [name, value] of Object.entries(entry.env ?? {})) {
    const place = `${path}.env.${name}`;
    const wrong = wrongVariable(name);
    if (wrong !== undefined) problems.push(`${place}: ${wrong}`);
    env.push([name, plain(value, place)]);
  }
  return {
    transport: "stdio",
    command,
    args: (entry.args ?? []).map((arg, at) => plain(arg, `${path}.args.${at}`)),
    env: Object.fromEntries(env),
    cwd: entry.cwd === undefined ? undefined : plain(entry.cwd, `${path}.cwd`),
    passthroughHeaders: [],
  };
}

function wrongVariable(name: string): string | undefined {
  if (name === "" || /[=\0]/.test(name)) return "is no name of a variable";
  // With these, whoever may run one program may run any: Deno asks for all of --allow-run.
  if (/^(?:LD|DYLD)_/i.test(name)) return "variables of the dynamic linker cannot be set";
  return undefined;
}

function noteIdle(
  { notes, path }: EntryReading,
  entry: UpstreamEntry,
  fields: Readonly<Record<string, unknown>>,
  what: string,
): void {
  for (const [field, schema] of Object.entries(fields)) {
    if (schema !== undefined && entry[field] !== undefined) {
      notes.push(`${path}.${field} has no effect on ${what}`);
    }
  }
}

function readTimeout(
  { problems, path }: EntryReading,
  value: string | number | undefined,
): number | undefined {
  if (value === undefined) return undefined;
  try {
    return duration({ min: "100ms", max: "24h" })(String(value));
  } catch (error) {
    problems.push(`${path}.timeout: ${(error as Error).message}`);
    return undefined;
  }
}
