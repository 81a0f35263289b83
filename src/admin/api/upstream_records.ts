/**
 * Upstream servers, and what was found at them, as the API shows them: without secrets.
 *
 * @module
 */
import type { z } from "@hono/zod-openapi";
import type { Shelf } from "../../catalog/catalog.ts";
import type { Named } from "../../catalog/difference.ts";
import { maskedAuth, maskedHeaders } from "../../catalog/secrets.ts";
import type { Refreshed, Tested } from "../../catalog/upstream_service.ts";
import { formatDuration } from "../../domain/duration.ts";
import type { ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { instantOf } from "./schemas.ts";
import type { refreshed, tested, upstreamRecord } from "./upstream_schemas.ts";

/** What is known of a server at this moment. */
export interface LiveStatus {
  /** A stable word: `unknown`, `connecting`, `connected`, `unreachable`, `disabled`. */
  readonly status: string;
  /** Wall clock: when it last answered anything. */
  readonly lastSeenMs: number | undefined;
  /** One sentence that may be shown. */
  readonly lastError: string | undefined;
}

/** A member that is undefined is left out when the answer is written. */
export function upstreamOf(shelf: Shelf, live: LiveStatus): z.input<typeof upstreamRecord> {
  const { server, offer } = shelf;
  const { id, slug, name, title, visibility, team, owner, timeoutMs } = server;
  return {
    id,
    slug,
    name,
    title,
    ...transportOf(server),
    visibility,
    teamId: team,
    owner,
    passthroughHeaders: [...server.passthroughHeaders],
    timeout: timeoutMs === undefined ? undefined : formatDuration(timeoutMs),
    enabled: server.enabled,
    expose: server.expose,
    tags: [...server.tags],
    declared: server.declared,
    status: server.enabled ? live.status : "disabled",
    protocolRevision: offer?.revision ?? null,
    capabilities: offer?.capabilities ?? null,
    lastSeenAt: live.lastSeenMs === undefined ? null : instantOf(live.lastSeenMs),
    lastError: live.lastError,
    dropped: offer?.dropped.length ? [...offer.dropped] : undefined,
    createdAt: instantOf(shelf.createdMs),
    updatedAt: instantOf(shelf.updatedMs),
  };
}

type Transport = Pick<
  z.input<typeof upstreamRecord>,
  "type" | "url" | "headers" | "auth" | "command"
>;

function transportOf(server: UpstreamServer): Transport {
  if (server.transport === "own") throw new Error("The gateway itself is no upstream server");
  if (server.transport !== "stdio") {
    return {
      type: server.transport,
      url: server.shownUrl ?? server.url.href,
      headers: { ...maskedHeaders(server.headers) },
      auth: maskedAuth(server.auth),
    };
  }
  // Arguments and environment hold secrets as often as not, and paths say how the machine is set up.
  return { type: "stdio", command: server.command.split(/[/\\]/).at(-1) ?? "" };
}

export function refreshedRecord(result: Refreshed, live: LiveStatus): z.input<typeof refreshed> {
  const { offer, items } = result.shelf;
  const count = (kind: ItemKind) =>
    items.filter((item) => item.kind === kind && item.missingSinceMs === undefined).length;
  return {
    status: live.status,
    error: live.lastError,
    protocolRevision: offer?.revision ?? null,
    capabilities: offer?.capabilities ?? null,
    found: {
      tools: count("tool"),
      prompts: count("prompt"),
      resources: count("resource"),
      templates: count("template"),
    },
    added: some(result.added),
    changed: some(result.changed),
    missing: some(result.missing),
    restored: some(result.restored),
    removed: some(result.removed),
    dropped: [...offer?.dropped ?? []],
  };
}

function some(names: readonly Named[]): Named[] {
  return names.slice(0, LIMITS.apiNamesListed);
}

export function testedRecord({ found, error }: Tested): z.input<typeof tested> {
  const names = (kind: ItemKind) =>
    (found?.items ?? []).filter((item) => item.kind === kind)
      .slice(0, LIMITS.apiNamesListed).map(({ upstreamName }) => upstreamName);
  return {
    status: found === undefined ? "unreachable" : "connected",
    error,
    protocolRevision: found?.offer.revision ?? null,
    capabilities: found?.offer.capabilities ?? null,
    tools: names("tool"),
    prompts: names("prompt"),
    resources: names("resource"),
    templates: names("template"),
    dropped: [...found?.offer.dropped ?? []],
  };
}
