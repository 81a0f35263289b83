/**
 * Entries of `servers`: virtual servers.
 *
 * @module
 * @see contract.md, section 3
 */
import { z } from "zod";
import type { Override, ServerDeclaration } from "../domain/server.ts";
import { BASE_FIELDS, isEnabled, readAudience, readSlug } from "./entry_base.ts";
import { noteUnknown, type Reading, readShape } from "./reading.ts";

const override = z.looseObject({
  name: z.string().optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  annotations: z.record(z.string(), z.unknown()).optional(),
});

const overridesByName = z.record(z.string(), override).optional();

const overrides = z.looseObject({
  tools: overridesByName,
  prompts: overridesByName,
  resources: overridesByName,
});

const patterns = z.array(z.string().min(1)).optional();

const serverEntry = z.looseObject({
  ...BASE_FIELDS,
  description: z.string().optional(),
  instructions: z.string().optional(),
  tools: patterns,
  prompts: patterns,
  resources: patterns,
  naming: z.enum(["prefixed", "verbatim"]).optional(),
  overrides: overrides.optional(),
});

type OverridesEntry = z.infer<typeof overrides>;
type Kind = "tools" | "prompts" | "resources";

/** `undefined` after a problem. */
export function readServer(
  reading: Reading,
  name: string,
  value: unknown,
): ServerDeclaration | undefined {
  const path = `servers.${name}`;
  const { problems } = reading;
  if (isForeign(value)) {
    problems.push(`${path}: has a command or url; rename "servers" to "mcpServers"`);
    return undefined;
  }
  const before = problems.length;
  const entry = readShape(reading, serverEntry, value, path);
  if (entry === undefined) return undefined;
  noteUnknown(reading, entry, serverEntry.shape, path);
  const { title, description, instructions, tools = [], prompts = [], resources = [] } = entry;
  const given = entry.overrides ?? {};
  noteUnknown(reading, given, overrides.shape, `${path}.overrides`);
  const overridesOf = (kind: Kind) => readOverrides(reading, given, kind, `${path}.overrides`);
  const declaration: ServerDeclaration = {
    name,
    slug: readSlug(reading, name, path),
    title,
    description,
    instructions,
    tools,
    prompts,
    resources,
    naming: entry.naming ?? "prefixed",
    ...readAudience(reading, entry, path),
    overrides: {
      tools: overridesOf("tools"),
      prompts: overridesOf("prompts"),
      resources: overridesOf("resources"),
    },
    enabled: isEnabled(entry),
    declared: true,
  };
  return problems.length > before ? undefined : declaration;
}

/** Another client's file names its MCP servers `servers`; here that means virtual servers. */
function isForeign(value: unknown): boolean {
  return typeof value === "object" && value !== null && ("command" in value || "url" in value);
}

function readOverrides(
  reading: Reading,
  given: OverridesEntry,
  kind: Kind,
  parent: string,
): Record<string, Override> {
  const read: [string, Override][] = [];
  const names = new Map<string, string>();
  for (const [item, entry] of Object.entries(given[kind] ?? {})) {
    const path = `${parent}.${kind}.${item}`;
    noteUnknown(reading, entry, override.shape, path);
    const { name, title, description, annotations } = entry;
    // What a resource is called is for people; a tool or prompt is called by its name.
    if (name !== undefined && kind !== "resources") {
      checkName(reading, name, path, names.get(name));
      names.set(name, item);
    }
    read.push([item, { name, title, description, annotations }]);
  }
  return Object.fromEntries(read);
}

function checkName(
  { problems }: Reading,
  name: string,
  path: string,
  taken: string | undefined,
): void {
  if (!/^[A-Za-z0-9_./-]{1,64}$/.test(name)) {
    problems.push(`${path}.name: must be 1 to 64 letters, digits, or characters of _ . / -`);
  }
  if (taken !== undefined) problems.push(`${path}.name: "${taken}" has the same`);
}
