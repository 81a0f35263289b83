/**
 * What a view says about itself: capabilities and instructions merged from its servers, an identity
 * of its own.
 *
 * Announced is what the gateway keeps: it notices changes of all lists by itself, and carries
 * subscriptions, log levels and completions to servers that have them. Tasks are not announced: a
 * task id does not say which server it is of.
 *
 * @module
 */
import type { CallerView } from "../../catalog/views.ts";
import type { Shelf } from "../../catalog/catalog.ts";
import type { ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import { VERSION } from "../../domain/version.ts";
import type { ViewEndpoint } from "../endpoint.ts";
import { isObject, type JsonObject } from "../message.ts";

/** For `initialize` and `server/discover`, of either era. */
export function capabilitiesOf({ shelves, lists }: CallerView): JsonObject {
  const merged: Record<string, unknown> = {};
  const has = (name: string) => shelves.some(({ offer }) => isObject(offer?.capabilities[name]));
  // What is not known yet may still turn out to have some.
  const isOpen = shelves.length === 0 || shelves.some(({ offer }) => offer === undefined);
  const { tool, prompt, resource, template } = lists;
  if (isOpen || tool.length > 0 || has("tools")) merged.tools = { listChanged: true };
  if (isOpen || prompt.length > 0 || has("prompts")) merged.prompts = { listChanged: true };
  if (isOpen || resource.length + template.length > 0 || has("resources")) {
    merged.resources = subscribable(shelves)
      ? { subscribe: true, listChanged: true }
      : { listChanged: true };
  }
  for (const name of ["logging", "completions"]) if (has(name)) merged[name] = {};
  const extensions = extensionsOf(shelves);
  if (Object.keys(extensions).length > 0) merged.extensions = extensions;
  return merged;
}

function subscribable(shelves: readonly Shelf[]): boolean {
  return shelves.some(({ offer }) => {
    const resources = offer?.capabilities.resources;
    return isObject(resources) && resources.subscribe === true;
  });
}

function extensionsOf(shelves: readonly Shelf[]): JsonObject {
  const merged: Record<string, unknown> = {};
  for (const { offer } of shelves) {
    const extensions = offer?.capabilities.extensions;
    if (!isObject(extensions)) continue;
    for (const [name, settings] of Object.entries(extensions)) {
      if (name !== TASKS && !Object.hasOwn(merged, name)) merged[name] = settings;
    }
  }
  return merged;
}

const TASKS = "io.modelcontextprotocol/tasks";

/** A virtual server's own, else those of the servers, each under its name when there are several. */
export function instructionsOf(
  endpoint: ViewEndpoint,
  { shelves }: CallerView,
): string | undefined {
  if (endpoint.server?.instructions !== undefined) return endpoint.server.instructions;
  const parts = shelves.flatMap(({ server, offer }) =>
    offer?.instructions ? [{ name: server.title ?? server.name, text: offer.instructions }] : []
  );
  if (parts.length === 0) return undefined;
  const text = shelves.length === 1
    ? parts[0]!.text
    : parts.map(({ name, text }) => `# ${name}\n\n${text}`).join("\n\n");
  // Not within a character that takes two places.
  return text.slice(0, LIMITS.instructionsChars).replace(/[\uD800-\uDBFF]$/, "");
}

export function serverInfoOf({ server }: ViewEndpoint): JsonObject {
  if (server === undefined) return { name: "sallyport", title: "Sallyport", version: VERSION };
  const { slug, name, title = name, description } = server;
  return { name: slug, title, version: VERSION, ...(description && { description }) };
}

/** How long a part of this view may be kept, and by whom. */
export interface Freshness {
  readonly ttlMs: number;
  readonly cacheScope: "public" | "private";
}

/**
 * The shortest and strictest of the parts; a server that says nothing allows nothing. Shared by all
 * only where all see the same.
 * @param kind of the items of the list; `undefined` for what is said about the view itself
 */
export function freshnessOf(
  endpoint: ViewEndpoint,
  caller: CallerView,
  kind: ItemKind | undefined,
): Freshness {
  const servers = kind && new Set(caller.lists[kind].map(([first]) => first!.server));
  const parts = caller.shelves.filter(({ server }) => servers?.has(server) ?? true);
  const ttls = parts.map(({ offer }) => offer?.ttlMs ?? 0);
  const isForAll = parts.every(({ offer }) => offer?.cacheScope === "public") &&
    parts.length > 0 &&
    [...endpoint.view.audiences.values()].every(({ visibility }) => visibility === "public") &&
    (endpoint.server?.visibility ?? "public") === "public";
  return {
    ttlMs: ttls.length === 0 ? 0 : Math.min(...ttls),
    cacheScope: isForAll ? "public" : "private",
  };
}
