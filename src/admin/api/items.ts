/**
 * What tools, prompts and resources have in common: found at upstream servers, changed here.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ItemChange, ItemService, ShownItem } from "../../catalog/item_service.ts";
import { audienceOf } from "../../domain/access.ts";
import { GatewayError } from "../../domain/errors.ts";
import { ITEM_KINDS, type ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Visibility } from "../../domain/server.ts";
import { list, one } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { itemKind, line, lines, pageOfSchema, pageQuery, visibility } from "./schemas.ts";

/** One of the nouns. */
export interface ItemNoun {
  /** `tools` in `/api/tools`. */
  readonly plural: string;
  /** Of its schemas in the document. */
  readonly schema: string;
  readonly kinds: readonly ItemKind[];
  readonly change: z.ZodType<ItemPatch>;
}

export interface ItemPatch {
  readonly name?: string | null | undefined;
  readonly title?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly visibility?: Visibility | null | undefined;
  readonly teamId?: string | null | undefined;
  readonly owner?: string | null | undefined;
}

/** Members that items of each kind can have changed; `null` takes the change back. */
export const itemChange = {
  title: line(256).nullish(),
  description: lines(8192).nullish(),
  enabled: z.boolean().optional(),
  visibility: visibility.nullish().openapi({
    description: "to whom it is shown, of those who see its server; null: to all of them",
  }),
  teamId: line(LIMITS.subjectChars).nullish(),
  owner: line(LIMITS.subjectChars).nullish(),
};

const QUERY = z.strictObject({
  ...pageQuery,
  upstream: z.string().optional().openapi({ description: "slug or id of a server" }),
  q: z.string().max(256).optional().openapi({
    description: "part of a name, or of a title or description that was set here",
  }),
});

export function createItemOperations(items: ItemService, noun: ItemNoun): readonly Operation[] {
  const { plural, kinds } = noun;
  const path = `/api/${plural}`;
  const answer = recordSchema.openapi(noun.schema);
  const version = ({ item }: ShownItem) => item;
  return [
    operation({
      method: "GET",
      path,
      summary: `Discovered ${plural}, by upstream server; a page ends early when it grows large`,
      query: QUERY,
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(answer, `${noun.schema}Page`),
      handle: ({ query: { cursor, limit, upstream, q: text }, principal }) => {
        const shown = items.list(kinds, { upstream, text }, principal);
        return list(pageOf(shown, { list: plural, cursor, limit, ...ORDER }), recordOf);
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
        const shown = items.find(kinds, id, principal);
        return one(recordOf(shown), version(shown));
      },
    }),
    operation({
      method: "PATCH",
      path: `${path}/{id}`,
      summary: "Shows it differently, or not at all; null takes a change back",
      query: NO_QUERY,
      body: noun.change,
      status: 200,
      answer,
      hasEtag: true,
      handle: async ({ id, body, isExpected, principal }) => {
        const shown = await items.update(kinds, id, changeFrom(body), isExpected, principal);
        return one(recordOf(shown), version(shown));
      },
    }),
    operation({
      method: "DELETE",
      path: `${path}/{id}`,
      summary: "Refused: what a server offers can only be disabled",
      query: NO_QUERY,
      body: NO_BODY,
      status: 204,
      answer: undefined,
      handle: ({ id, principal }) => {
        items.find(kinds, id, principal);
        throw new GatewayError(
          "discovered",
          "An upstream server offers it, so it would come back: disable it instead",
        );
      },
    }),
  ];
}

const ORDER = {
  placeOf: ({ item, server }: ShownItem) => [
    server.seq,
    server.id,
    ITEM_KINDS.indexOf(item.kind),
    item.seq,
    item.id,
  ],
  weightOf: ({ item }: ShownItem) => item.definition.length,
  weightMax: LIMITS.apiPageBytes,
};

function changeFrom({ name, title, description, enabled, ...shownTo }: ItemPatch): ItemChange {
  const { visibility, teamId, owner } = shownTo;
  const audience = {
    ...visibility === undefined ? {} : { visibility: visibility ?? undefined },
    ...teamId === undefined ? {} : { team: teamId ?? undefined },
    ...owner === undefined ? {} : { owner: owner ?? undefined },
  };
  return {
    ...name === undefined ? {} : { name: name ?? undefined },
    ...title === undefined ? {} : { title: title ?? undefined },
    ...description === undefined ? {} : { description: description ?? undefined },
    ...enabled === undefined ? {} : { enabled },
    ...Object.keys(audience).length === 0 ? {} : { audience },
  };
}

const recordSchema = z.object({
  id: z.string(),
  kind: itemKind,
  name: z.string().openapi({ description: "in /mcp; of a resource, what it is called" }),
  uri: z.string().optional(),
  uriTemplate: z.string().optional(),
  alias: z.string().optional().openapi({
    description: "the URI where another server's is the same, and was found before",
  }),
  upstreamName: z.string().openapi({ description: "name or URI as the server knows it" }),
  upstreamId: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  enabled: z.boolean(),
  visibility: visibility.openapi({
    description: "its own or its server's, the narrower of the two",
  }),
  teamId: z.string().optional(),
  owner: z.string().optional(),
  missing: z.boolean().openapi({ description: "not offered any more: hidden until it is again" }),
  definition: z.record(z.string(), z.unknown()).openapi({ description: "as discovered" }),
});

const definitionSchema = z.record(z.string(), z.unknown());

function recordOf(shown: ShownItem): z.input<typeof recordSchema> {
  const { item } = shown;
  const { id, kind, exposedName, upstreamName, upstreamId } = item;
  const { visibility, team, owner } = audienceOf(shown);
  const definition = definitionSchema.parse(JSON.parse(item.definition));
  const isUri = kind === "resource" || kind === "template";
  return {
    id,
    kind,
    name: isUri ? textOf(definition.name) ?? upstreamName : exposedName,
    uri: kind === "resource" ? upstreamName : undefined,
    uriTemplate: kind === "template" ? upstreamName : undefined,
    alias: isUri && exposedName !== upstreamName ? exposedName : undefined,
    upstreamName,
    upstreamId,
    title: item.title ?? textOf(definition.title),
    description: item.description ?? textOf(definition.description),
    enabled: item.enabled,
    visibility,
    teamId: visibility === "team" ? team : undefined,
    owner: visibility === "private" ? owner : undefined,
    missing: item.missingSinceMs !== undefined,
    definition,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
