/**
 * What prompts and resources are made of, as the API takes it: the types of MCP.
 *
 * @module
 * @see MCP 2026-07-28, Schema, `ContentBlock`, `Annotations`, `Icon`
 */
import { z } from "@hono/zod-openapi";
import { flawOfText } from "../../catalog/text_template.ts";
import { type Fault, FaultyRequest } from "../../domain/errors.ts";
import { isBoundedJson } from "../../domain/json_bounds.ts";
import { LIMITS } from "../../domain/limits.ts";
import { line, lines } from "./schemas.ts";

const ICONS_MAX = 16;
const URL_CHARS_MAX = 64 * 1024;

/** Bounded by the body of the request. */
export const text = z.string().refine((text) => text.isWellFormed(), {
  error: "must not hold half a character",
});

export const base64 = z.base64({ error: "must be base64" });

export const uri = z.string().max(LIMITS.itemNameBytes)
  .refine((uri) => URL.canParse(uri) && !/[\s\p{Cc}]/u.test(uri), {
    error: "must be an absolute URI without spaces",
  });

export const mimeType = z.string().max(255).regex(/^[!-~]+\/[!-~][ -~]*$/, {
  error: "must be a media type, such as text/plain",
});

/** So deep that an answer which it stands in is within the bounds of a message. */
const META_DEPTH_MAX = 32;

export const meta = z.record(z.string(), z.unknown())
  .refine((meta) => isBoundedJson(meta, { depth: META_DEPTH_MAX, nodes: LIMITS.jsonNodes }), {
    error: `must not be nested deeper than ${META_DEPTH_MAX}`,
  });

export const annotations = z.strictObject({
  audience: z.array(z.enum(["user", "assistant"])).max(2).optional(),
  priority: z.number().min(0).max(1).optional(),
  lastModified: z.iso.datetime({ offset: true }).optional(),
});

export const icons = z.array(z.strictObject({
  src: z.string().max(URL_CHARS_MAX).regex(/^(?:https?|data):/i, {
    error: "must be a URL of the scheme https, http or data",
  }),
  mimeType: mimeType.optional(),
  sizes: z.array(line(32)).max(ICONS_MAX).optional(),
  theme: z.enum(["light", "dark"]).optional(),
})).max(ICONS_MAX);

/** Members of everything that stands in a list. */
export const listed = { icons: icons.optional(), _meta: meta.optional() };

const shared = { annotations: annotations.optional(), _meta: meta.optional() };
const media = { data: base64, mimeType, ...shared };

/** One part of what is read: a text, or base64. */
export const part = z.strictObject({
  uri: uri.optional().openapi({ description: "where it is not the one that was asked for" }),
  mimeType: mimeType.optional(),
  text: text.optional(),
  blob: base64.optional(),
  _meta: meta.optional(),
}).refine(({ text, blob }) => (text === undefined) !== (blob === undefined), {
  error: "must hold either text or blob",
});

export const content = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text, ...shared }),
  z.strictObject({ type: z.literal("image"), ...media }),
  z.strictObject({ type: z.literal("audio"), ...media }),
  z.strictObject({
    type: z.literal("resource_link"),
    uri,
    name: line(256),
    title: line(256).optional(),
    description: lines(8192).optional(),
    mimeType: mimeType.optional(),
    size: z.number().int().min(0).optional(),
    icons: icons.optional(),
    ...shared,
  }),
  z.strictObject({ type: z.literal("resource"), resource: part.safeExtend({ uri }), ...shared }),
]);

/** What can stand in a text as the name of a place. */
export const argumentName = z.string().regex(/^[\w.-]{1,64}$/, {
  error: "must be 1 to 64 letters, digits, or characters of _ . -",
});

export const argumentValues = z.array(line(1024)).max(LIMITS.ownArgumentValues).openapi({
  description: "what may be given for it: offered as completions",
});

/** Where texts stand, and which names their places may have. */
export interface PlacedText {
  readonly path: string;
  readonly text: string | undefined;
}

export function textFaults(
  texts: readonly PlacedText[],
  names: Iterable<string>,
): readonly Fault[] {
  const known = new Set(names);
  return texts.flatMap(({ path, text }) => {
    const message = text === undefined ? undefined : flawOfText(text, known);
    return message === undefined ? [] : [{ path, message }];
  });
}

/** Names that are there twice. */
export function doubleFaults(names: readonly string[]): readonly Fault[] {
  return names.flatMap((name, i) =>
    names.indexOf(name) === i ? [] : [{ path: `arguments.${i}.name`, message: "is there twice" }]
  );
}

/** @throws {FaultyRequest} when there are any */
export function refuse(faults: readonly Fault[]): void {
  if (faults.length === 0) return;
  throw new FaultyRequest("invalid_request", "The body is not what this URL takes", faults);
}
