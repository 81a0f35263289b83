/**
 * `resources/read`: what a resource or a template of the gateway's own stands for.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Resources"; contract.md, section 8
 */
import { ProtocolError } from "../../domain/errors.ts";
import { type OwnResource, type OwnTemplate, partsOfOwnUri } from "../../domain/own_item.ts";
import { matchVariables, parseUriTemplate } from "../../domain/uri_template.ts";
import { INVALID_PARAMS, type JsonObject } from "../message.ts";
import type { OwnLookup } from "./lookup.ts";
import { createTexts } from "./texts.ts";

/** A URI, and what it is read from. */
export interface Meant {
  /** As clients know it. */
  readonly uri: string;
  readonly spec: OwnResource | OwnTemplate;
}

/** @throws {ProtocolError} -32602 for what has gone meanwhile */
export function resourceOf({ withId }: OwnLookup, asked: unknown): Meant {
  const parts = typeof asked === "string" ? partsOfOwnUri(asked) : undefined;
  const spec = withId(parts?.id)?.own?.spec;
  if (spec?.kind === "resource" || spec?.kind === "template") return { uri: parts!.uri, spec };
  throw notFound(parts?.uri ?? asked);
}

export function readingOf({ uri, spec }: Meant): JsonObject {
  return { contents: contentsOf(uri, spec), ttlMs: 0, cacheScope: "private" };
}

function contentsOf(uri: string, spec: Meant["spec"]): readonly JsonObject[] {
  if (spec.kind === "resource") return spec.contents.map((one) => ({ uri, ...one }));
  const template = parseUriTemplate(spec.uriTemplate);
  const variables = template && matchVariables(template, uri);
  // It may have become another one while the request was on its way.
  if (variables === undefined) throw notFound(uri);
  const values = new Map(
    Object.entries(variables).map(([name, value]) => [name, [value].flat().join(",")]),
  );
  const { filled } = createTexts(values);
  return spec.contents.map(({ text, ...one }) => ({
    uri,
    ...one,
    ...text !== undefined && { text: filled(text) },
  }));
}

function notFound(uri: unknown): ProtocolError {
  return new ProtocolError(INVALID_PARAMS, 200, "Resource not found", { uri });
}
