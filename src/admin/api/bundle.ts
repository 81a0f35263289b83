/**
 * A bundle: a whole configuration as one document, as it is exported and imported. Records stand in
 * it as the bodies that make them; they name each other by slug, name or address, never by id, so
 * that they fit into another database.
 *
 * @module
 * @see contract.md, section 8, "Export and import"
 */
import { z } from "@hono/zod-openapi";
import { FaultyRequest } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { checkedBy } from "./input.ts";
import { isOneRevocation, newToken, revocationMembers } from "./tokens.ts";
import { newItemSchema } from "./items.ts";
import { promptMembers } from "./prompts.ts";
import { resourceMembers } from "./resources.ts";
import { audience, email, instant, itemKind, line, lines } from "./schemas.ts";
import { itemName, newServer, slug } from "./server_schemas.ts";
import { newTeam, teamRole } from "./teams.ts";
import { toolMembers } from "./tools.ts";
import { newUpstream } from "./upstream_schemas.ts";
import { newUser } from "./users.ts";

/** Version of the form. */
const FORM = 1;

const team = newTeam.extend({
  members: z.array(z.strictObject({ email, role: teamRole.optional() }))
    .max(LIMITS.bundleEntries).optional(),
});

const user = newUser.extend({
  deleted: z.literal(true).optional().openapi({
    description: "was deleted: the address lets nobody in",
  }),
});

/**
 * A secret of an upstream server or a tool that is not in the bundle is written `*****`. Where none is
 * known either when it is imported, the record is made without it, switched off, and named as to be
 * filled in.
 */
const upstream = newUpstream.extend({ slug: slug.optional() });

const tool = newItemSchema(toolMembers).extend({
  anyAddress: z.boolean().optional().openapi({
    description: "made at the command line: kept only by an import at the command line",
  }),
  imported: z.strictObject({
    from: z.string(),
    name: z.string(),
    title: z.string().optional(),
    description: z.string().optional(),
    annotations: z.record(z.string(), z.unknown()).optional(),
  }).optional().openapi({ description: "what its OpenAPI document said" }),
});

/** What is changed of something that an upstream server offers. */
const item = z.strictObject({
  upstream: slug,
  kind: itemKind,
  upstreamName: z.string().min(1).max(LIMITS.itemNameBytes).openapi({
    description: "name or URI as its server knows it",
  }),
  name: itemName.optional().openapi({ description: "in /mcp" }),
  title: line(256).optional(),
  description: lines(8192).optional(),
  enabled: z.boolean().optional(),
  ...audience,
});

const token = newToken.omit({ expiresIn: true }).extend({
  id: line(64),
  owner: email,
  createdAt: instant,
  expiresAt: instant,
});

const revocation = z.strictObject({ ...revocationMembers, createdAt: instant.optional() })
  .refine(isOneRevocation, { error: "needs one of jti and subject" });

/** Of each list: its entries are checked one by one. */
export const ENTRIES = {
  teams: team,
  users: user,
  upstreams: upstream,
  tools: tool,
  prompts: newItemSchema(promptMembers),
  resources: newItemSchema(resourceMembers),
  servers: newServer,
  items: item,
  tokens: token,
  revocations: revocation,
} as const;

export type BundleList = keyof typeof ENTRIES;

export const LISTS = Object.keys(ENTRIES) as readonly BundleList[];

/** An entry as it is written. */
export type BundleEntry<L extends BundleList> = z.input<(typeof ENTRIES)[L]>;

export type Bundle =
  & { readonly [L in BundleList]?: readonly BundleEntry<L>[] }
  & {
    readonly sallyport: typeof FORM;
    /** Slugs of what the config file declares: the file is its own export. */
    readonly declared?: { readonly upstreams: string[]; readonly servers: string[] };
    /** Whether there has ever been a team: tokens then name those that exist, and no others. */
    readonly teamsHaveBeen?: boolean;
    readonly secrets?: SealedSecrets;
  };

/** Secrets under a passphrase. */
export interface SealedSecrets {
  readonly kdf: "scrypt";
  readonly N: number;
  readonly r: number;
  readonly p: number;
  /** Base64, as `sealed`. */
  readonly salt: string;
  /** AES-256-GCM: nonce, text, tag. */
  readonly sealed: string;
}

const entries = z.array(z.unknown()).optional().openapi({ maxItems: LIMITS.bundleEntries });
const slugs = z.array(z.string());
const count = z.number().int().min(1);

export const bundle = z.strictObject({
  sallyport: z.literal(FORM),
  declared: z.strictObject({ upstreams: slugs, servers: slugs }).optional(),
  teamsHaveBeen: z.boolean().optional(),
  teams: entries,
  users: entries,
  upstreams: entries,
  tools: entries,
  prompts: entries,
  resources: entries,
  servers: entries,
  items: entries,
  tokens: entries,
  revocations: entries,
  secrets: z.strictObject({
    kdf: z.literal("scrypt"),
    N: count,
    r: count,
    p: count,
    salt: z.base64().max(64),
    sealed: z.base64(),
  }).optional(),
}).openapi("Bundle", {
  description: "entries are as the bodies that make such records, and name others by slug, name " +
    "or address; see docs/moving.md",
});

/**
 * Its outer form; entries are checked one by one, others in between.
 * @param entriesMax of each list
 * @throws {FaultyRequest}
 */
export function checkedBundle(document: unknown, entriesMax: number): Bundle {
  const checked = checkedBy(bundle, document, "body") as Bundle;
  const faults = LISTS.filter((list) => (checked[list]?.length ?? 0) > entriesMax)
    .map((list) => ({ path: list, message: `must not have more than ${entriesMax} entries` }));
  if (faults.length === 0) return checked;
  throw new FaultyRequest("invalid_request", "The bundle is too large", faults);
}

/** @throws {FaultyRequest} */
export function checkedEntry<L extends BundleList>(
  list: L,
  entry: unknown,
): z.output<(typeof ENTRIES)[L]> {
  return checkedBy<z.ZodType>(ENTRIES[list], entry, "body") as z.output<(typeof ENTRIES)[L]>;
}

/**
 * What the document of another system becomes: `bundleOfReference` in `admin/reference_document.ts`
 * gives it for that of the reference system.
 */
export interface Translated {
  readonly bundle: Bundle;
  readonly notTaken: readonly NotTaken[];
  readonly toFillIn: readonly ToFillIn[];
}

/** What has no place here. */
export interface NotTaken {
  readonly kind: string;
  readonly name: string;
  readonly reason: string;
}

/** A secret that somebody has to give again. */
export interface ToFillIn {
  readonly kind: string;
  readonly name: string;
  /** The member, as `auth.token`, or a sentence. */
  readonly what: string;
}
