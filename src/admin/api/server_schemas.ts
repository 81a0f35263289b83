/**
 * Virtual servers as the API takes and shows them.
 *
 * @module
 * @see contract.md, section 6
 */
import { z } from "@hono/zod-openapi";
import { isSlug } from "../../domain/server.ts";
import { audience, instant, line, lines, visibility } from "./schemas.ts";

/** Enough for a server that lists every item by name; patterns exist for more. */
const PATTERNS_MAX = 500;
const OVERRIDES_MAX = 1000;
const PATTERN_CHARS_MAX = 1024;

/** What every client accepts as the name of a tool or prompt. */
export const itemName = z.string().regex(/^[A-Za-z0-9_./-]{1,64}$/, {
  error: "must be 1 to 64 letters, digits, or characters of _ . / -",
});

const patterns = z.array(line(PATTERN_CHARS_MAX)).max(PATTERNS_MAX).openapi({
  description: "exposed names (of resources: URIs and URI templates), or globs with *",
});

function overridesOf(name: z.ZodType<string>) {
  const override = z.strictObject({
    name: name.optional(),
    title: line(256).optional(),
    description: lines(8192).optional(),
    annotations: z.record(z.string(), z.unknown()).optional().openapi({
      description: "laid over the item's own, member by member",
    }),
  });
  return z.record(z.string().min(1).max(PATTERN_CHARS_MAX), override)
    .refine((all) => Object.keys(all).length <= OVERRIDES_MAX, {
      error: `at most ${OVERRIDES_MAX} items`,
    }).optional();
}

const overrides = z.strictObject({
  tools: overridesOf(itemName),
  prompts: overridesOf(itemName),
  // What a resource is called is for people; what it is, is its URI.
  resources: overridesOf(line(256)),
}).openapi({ description: "by exposed name, or URI: what this server shows differently" });

const naming = z.enum(["prefixed", "verbatim"]);

const settings = {
  title: line(256).nullish(),
  description: lines(8192).nullish(),
  instructions: lines(32 * 1024).nullish(),
  naming: naming.optional().openapi({
    description: "names of /mcp (prefixed, as at first), or those that the upstream servers gave",
  }),
  ...audience,
  overrides: overrides.nullish(),
  enabled: z.boolean().optional(),
};

export const slug = z.string().refine(isSlug, {
  error: "must be lower-case letters, digits and - between them, at most 128",
});

export const newServer = z.strictObject({
  name: line(128),
  slug: slug.nullish().openapi({ description: "made of the name when it is absent" }),
  tools: patterns.optional(),
  prompts: patterns.optional(),
  resources: patterns.optional(),
  ...settings,
}).openapi("NewServer");

export const serverChange = z.strictObject({
  name: line(128).optional(),
  tools: patterns.nullish(),
  prompts: patterns.nullish(),
  resources: patterns.nullish(),
  ...settings,
}).openapi("ServerChange");

export const serverRecord = z.object({
  id: z.string(),
  slug: z.string().openapi({ description: "of /servers/{slug}/mcp" }),
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  instructions: z.string().optional(),
  tools: z.array(z.string()),
  prompts: z.array(z.string()),
  resources: z.array(z.string()),
  naming,
  visibility,
  teamId: z.string().optional(),
  owner: z.string().optional(),
  overrides,
  enabled: z.boolean(),
  declared: z.boolean().openapi({ description: "from the config file: read-only here" }),
  createdAt: instant,
  updatedAt: instant,
}).openapi("Server");
