/**
 * What tools, prompts and resources have in common: those of the gateway's own, made and changed
 * here, and those found at upstream servers, of which only what is shown is changed.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { AudienceChange } from "../../catalog/item_audience.ts";
import type { ItemChange, ItemService, ShownItem } from "../../catalog/item_service.ts";
import type { OwnItemService } from "../../catalog/own_item_service.ts";
import { audienceOf } from "../../domain/access.ts";
import { FaultyRequest } from "../../domain/errors.ts";
import { isNamed, ITEM_KINDS, type ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { OwnSpec } from "../../domain/own_item.ts";
import { created, GONE, list, one } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import {
  audience,
  instant,
  instantOf,
  itemKind,
  line,
  lines,
  pageOfSchema,
  pageQuery,
  visibility,
} from "./schemas.ts";

/** One of the nouns. */
export interface ItemNoun {
  /** `tools` in `/api/tools`. */
  readonly plural: string;
  /** Of its schemas in the document. */
  readonly schema: string;
  readonly kinds: readonly ItemKind[];
  /** Members that a discovered one can have changed. */
  readonly discovered: readonly string[];
  /** What the API takes and shows of the gateway's own: a schema for each member. */
  readonly members: z.ZodRawShape;
  /** Of these there is one: whichever is given takes the place of the others. */
  readonly either: readonly string[];
  /** Members of a new one. @throws {FaultyRequest} when they do not fit together */
  readonly specOf: (members: Members, known: OwnSpec | undefined) => OwnSpec;
  /** As they were taken. Secrets are masks. */
  readonly membersOf: (spec: OwnSpec) => Members;
}

export type Members = Readonly<Record<string, unknown>>;

export interface ItemDeps {
  readonly items: ItemService;
  readonly own: OwnItemService;
}

/** Members that both have. */
const COMMON = {
  title: line(256).optional(),
  description: lines(8192).optional(),
};
const SHOWN = ["title", "description", "enabled", "visibility", "teamId", "owner"];

const QUERY = z.strictObject({
  ...pageQuery,
  upstream: z.string().optional().openapi({ description: "slug or id of a server" }),
  q: z.string().max(256).optional().openapi({
    description: "part of a name, or of a title or description that was set here",
  }),
});

export function createItemOperations(
  { items, own }: ItemDeps,
  noun: ItemNoun,
): readonly Operation[] {
  const { plural, kinds, schema } = noun;
  const path = `/api/${plural}`;
  const answer = z.object({ ...optional(noun.members), ...record }).openapi(schema);
  const newItem = newItemSchema(noun.members).openapi(`New${schema}`);
  const change = z.strictObject({ ...nullable({ ...COMMON, ...noun.members }), ...shownTo })
    .openapi(`${schema}Change`);
  const shown = (found: ShownItem) => recordOf(found, noun);
  const version = ({ item }: ShownItem) => item;
  return [
    operation({
      method: "GET",
      path,
      summary:
        `The gateway's own ${plural}, then discovered ones by upstream server; a page ends ` +
        "early when it grows large",
      query: QUERY,
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(answer, `${schema}Page`),
      handle: ({ query: { cursor, limit, upstream, q: text }, principal }) => {
        const found = items.list(kinds, { upstream, text }, principal);
        return list(pageOf(found, { list: plural, cursor, limit, ...ORDER }), shown);
      },
    }),
    operation({
      method: "POST",
      path,
      summary: `Adds one to the gateway's own ${plural}`,
      query: NO_QUERY,
      body: newItem,
      status: 201,
      answer,
      hasEtag: true,
      handle: async ({ body, principal }) => {
        const { enabled = true, visibility, teamId, owner, ...members } = given.parse(body);
        const spec = noun.specOf(present(members), undefined);
        const audience = audienceFrom({ visibility, teamId, owner });
        const made = await own.create({ spec, enabled, audience }, principal);
        return created(shown(made), version(made), path);
      },
    }),
    operation({
      method: "GET",
      path: `${path}/{id}`,
      summary: `One of the ${plural}`,
      query: NO_QUERY,
      body: NO_BODY,
      status: 200,
      answer,
      hasEtag: true,
      handle: ({ id, principal }) => {
        const found = items.find(kinds, id, principal);
        return one(shown(found), version(found));
      },
    }),
    operation({
      method: "PATCH",
      path: `${path}/{id}`,
      summary:
        "Changes the members that are given; null takes a change back, or clears a member. " +
        "Of a discovered one, only what is shown can be changed",
      query: NO_QUERY,
      body: change,
      status: 200,
      answer,
      hasEtag: true,
      handle: async ({ id, body, isExpected, principal }) => {
        const patch = given.parse(body);
        const isOwn = items.find(kinds, id, principal).item.own !== undefined;
        const changed = isOwn
          ? await own.update(kinds, id, ownChange(patch, noun), isExpected, principal)
          : await items.update(kinds, id, changeFrom(patch, noun), isExpected, principal);
        return one(shown(changed), version(changed));
      },
    }),
    operation({
      method: "DELETE",
      path: `${path}/{id}`,
      summary: "Removes one of the gateway's own; what a server offers can only be disabled",
      query: NO_QUERY,
      body: NO_BODY,
      status: 204,
      answer: undefined,
      handle: async ({ id, isExpected, principal }) => {
        await own.remove(kinds, id, isExpected, principal);
        return GONE;
      },
    }),
  ];
}

/** What makes one of the gateway's own. @param members those of its noun */
export function newItemSchema<M extends z.ZodRawShape>(members: M) {
  return z.strictObject({
    ...COMMON,
    ...members,
    enabled: z.boolean().optional(),
    ...audience,
  });
}

/** What is changed of any item; the members of its noun come besides. */
const shownTo = {
  enabled: z.boolean().optional(),
  visibility: visibility.nullish().openapi({
    description: "to whom it is shown; of a discovered one, of those who see its server, and " +
      "null: to all of them",
  }),
  teamId: line(LIMITS.subjectChars).nullish(),
  owner: line(LIMITS.subjectChars).nullish(),
};

/** What all nouns have in common of what is given; the rest is for the noun. */
const given = z.looseObject({
  name: z.string().nullish(),
  title: z.string().nullish(),
  description: z.string().nullish(),
  ...shownTo,
});
type ItemPatch = z.output<typeof given>;

function optional(members: z.ZodRawShape): z.ZodRawShape {
  return mapped(members, (schema) => z.optional(schema));
}

function nullable(members: z.ZodRawShape): z.ZodRawShape {
  return mapped(members, (schema) => z.nullish(schema));
}

function mapped(
  members: z.ZodRawShape,
  map: (schema: z.core.$ZodType) => z.ZodType,
): z.ZodRawShape {
  return Object.fromEntries(Object.entries(members).map(([name, one]) => [name, map(one)]));
}

/** Without those that are not given, or cleared. */
function present(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null));
}

const ORDER = {
  placeOf: ({ item, server }: ShownItem) => [
    server.seq,
    server.id,
    ITEM_KINDS.indexOf(item.kind),
    item.seq,
    item.id,
  ],
  weightOf: ({ item: { definition, own } }: ShownItem) => definition.length + (own?.chars ?? 0),
  weightMax: LIMITS.apiPageBytes,
};

function ownChange(patch: ItemPatch, noun: ItemNoun) {
  const { enabled, visibility, teamId, owner, ...members } = patch;
  if (visibility === null) throw notHere("visibility");
  const isReplaced = noun.either.some((member) => members[member] != null);
  const gone = isReplaced ? noun.either : [];
  return {
    specOf(known: OwnSpec) {
      const left = Object.entries(noun.membersOf(known)).filter(([name]) => !gone.includes(name));
      return noun.specOf(present({ ...Object.fromEntries(left), ...members }), known);
    },
    enabled,
    audience: audienceFrom({ visibility, teamId, owner }),
  };
}

/** @throws {FaultyRequest} for what only its server can change */
function changeFrom(patch: ItemPatch, { discovered }: ItemNoun): ItemChange {
  const { name, title, description, enabled, ...shownTo } = patch;
  const other = Object.keys(patch).find((member) => ![...SHOWN, ...discovered].includes(member));
  if (other !== undefined) throw notHere(other);
  const audience = audienceFrom(shownTo);
  return {
    ...name === undefined ? {} : { name: name ?? undefined },
    ...title === undefined ? {} : { title: title ?? undefined },
    ...description === undefined ? {} : { description: description ?? undefined },
    ...enabled === undefined ? {} : { enabled },
    ...Object.keys(audience).length === 0 ? {} : { audience },
  };
}

/** `null` takes a member back. */
export function audienceFrom(
  { visibility, teamId, owner }: Pick<ItemPatch, "visibility" | "teamId" | "owner">,
): AudienceChange {
  return {
    ...visibility === undefined ? {} : { visibility: visibility ?? undefined },
    ...teamId === undefined ? {} : { team: teamId ?? undefined },
    ...owner === undefined ? {} : { owner: owner ?? undefined },
  };
}

function notHere(path: string): FaultyRequest {
  return new FaultyRequest("invalid_request", "The item cannot be changed like this", [
    { path, message: "cannot be changed so for this item" },
  ]);
}

/** Members of all items; those of the gateway's own have those of their noun besides. */
const record = {
  id: z.string(),
  kind: itemKind,
  name: z.string().openapi({ description: "in /mcp; of a resource, what it is called" }),
  uri: z.string().optional(),
  uriTemplate: z.string().optional(),
  alias: z.string().optional().openapi({
    description: "the URI where another server's is the same, and was found before",
  }),
  upstreamName: z.string().optional().openapi({
    description: "name or URI as its server knows it",
  }),
  upstreamId: z.string().optional().openapi({ description: "absent: the gateway's own" }),
  title: z.string().optional(),
  description: z.string().optional(),
  enabled: z.boolean(),
  visibility: visibility.openapi({
    description: "its own or its server's, the narrower of the two",
  }),
  teamId: z.string().optional(),
  owner: z.string().optional(),
  missing: z.boolean().openapi({ description: "not offered any more: hidden until it is again" }),
  definition: z.record(z.string(), z.unknown()).openapi({ description: "as lists show it" }),
  unreadable: z.array(z.string()).optional().openapi({
    description: "secrets that no key opens: it is switched off until they are given again",
  }),
  createdAt: instant.optional(),
  updatedAt: instant.optional(),
};

const definitionSchema = z.record(z.string(), z.unknown());

function recordOf(shown: ShownItem, { membersOf }: ItemNoun): Members {
  const { item } = shown;
  const { id, kind, own, enabled } = item;
  const { visibility, team, owner } = audienceOf(shown);
  const common = {
    id,
    kind,
    enabled,
    visibility,
    teamId: visibility === "team" ? team : undefined,
    missing: item.missingSinceMs !== undefined,
    definition: definitionSchema.parse(JSON.parse(item.definition)),
  };
  if (own === undefined) {
    const isOwned = visibility === "private";
    return {
      ...common,
      ...discoveredOf(shown, common.definition),
      owner: isOwned ? owner : undefined,
    };
  }
  return {
    ...membersOf(own.spec),
    ...common,
    owner,
    unreadable: own.unreadable.length > 0 ? own.unreadable : undefined,
    createdAt: instantOf(own.createdMs),
    updatedAt: instantOf(own.updatedMs),
  };
}

function discoveredOf({ item }: ShownItem, definition: Members): Members {
  const { kind, exposedName, upstreamName, upstreamId } = item;
  return {
    name: isNamed(kind) ? exposedName : textOf(definition.name) ?? upstreamName,
    uri: kind === "resource" ? upstreamName : undefined,
    uriTemplate: kind === "template" ? upstreamName : undefined,
    alias: !isNamed(kind) && exposedName !== upstreamName ? exposedName : undefined,
    upstreamName,
    upstreamId,
    title: item.title ?? textOf(definition.title),
    description: item.description ?? textOf(definition.description),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
