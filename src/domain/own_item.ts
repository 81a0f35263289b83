/**
 * The gateway's own tools, prompts and resources, as people write them down; and what of that stands
 * in lists.
 *
 * @module
 * @see contract.md, section 6; MCP 2026-07-28, Schema, `Tool`, `Prompt`, `Resource`
 */
import { Buffer } from "node:buffer";
import type { RestTool } from "./rest_tool.ts";
import type { UpstreamAuth } from "./server.ts";

export type OwnSpec = OwnTool | OwnPrompt | OwnResource | OwnTemplate;

/** What all of them show of themselves. */
interface Shown {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly icons?: readonly JsonObject[] | undefined;
  readonly _meta?: JsonObject | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

export interface OwnTool extends Shown, RestTool {
  readonly kind: "tool";
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: UpstreamAuth;
}

export interface OwnPrompt extends Shown {
  readonly kind: "prompt";
  readonly arguments: readonly OwnArgument[];
  readonly messages: readonly OwnMessage[];
}

export interface OwnArgument {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly required?: boolean | undefined;
  /** What may be given for it: offered as completions. */
  readonly values?: readonly string[] | undefined;
}

export interface OwnMessage {
  readonly role: "user" | "assistant";
  readonly content: Content;
}

/** Of one of the types of MCP. Text in it is a template, see `catalog/text_template.ts`. */
export interface Content {
  readonly type: "text" | "image" | "audio" | "resource_link" | "resource";
  readonly text?: string | undefined;
  readonly resource?: { readonly text?: string | undefined } | undefined;
}

interface Readable extends Shown {
  readonly mimeType?: string | undefined;
  readonly annotations?: JsonObject | undefined;
  readonly contents: readonly OwnContents[];
}

/** One part of what is read. */
export interface OwnContents {
  /** Where it is not the one that was asked for. */
  readonly uri?: string | undefined;
  readonly mimeType?: string | undefined;
  readonly _meta?: JsonObject | undefined;
  /** Either this, a template where the resource has one, */
  readonly text?: string | undefined;
  /** or this: base64. */
  readonly blob?: string | undefined;
}

export interface OwnResource extends Readable {
  readonly kind: "resource";
  readonly uri: string;
}

export interface OwnTemplate extends Readable {
  readonly kind: "template";
  readonly uriTemplate: string;
  /** Completions of variables. */
  readonly arguments: readonly Pick<OwnArgument, "name" | "values">[];
}

/** What clients ask for it by: unique among the items of the gateway's own of one kind. */
export function keyOf(spec: OwnSpec): string {
  if (spec.kind === "resource") return spec.uri;
  return spec.kind === "template" ? spec.uriTemplate : spec.name;
}

/** As lists show it: JSON text of one object, on one line. */
export function definitionOf(spec: OwnSpec): string {
  if (spec.kind === "tool") {
    const { name, title, description, inputSchema, outputSchema, annotations, icons, _meta } = spec;
    const shown = {
      name,
      title,
      description,
      inputSchema,
      outputSchema,
      annotations,
      icons,
      _meta,
    };
    return JSON.stringify(shown);
  }
  if (spec.kind === "prompt") {
    const { kind: _, messages: _messages, arguments: args, ...shown } = spec;
    return JSON.stringify({ ...shown, arguments: args.map(({ values: _, ...shown }) => shown) });
  }
  if (spec.kind === "template") {
    const { kind: _, contents: _contents, arguments: _arguments, ...shown } = spec;
    return JSON.stringify(shown);
  }
  const { kind: _, contents, ...shown } = spec;
  return JSON.stringify({ ...shown, size: sizeOf(contents) });
}

/** Bytes, before they are encoded. */
function sizeOf(contents: readonly OwnContents[]): number {
  return contents.reduce((size, { text, blob }) => {
    return size + (text === undefined ? 0 : Buffer.byteLength(text)) +
      (blob === undefined ? 0 : Buffer.byteLength(blob, "base64"));
  }, 0);
}

/**
 * A URI as the gateway's own server knows it: with the item that is meant. A template that one
 * caller sees may fit what another, which that caller does not see, fits better.
 */
export function ownUri(itemId: string, uri: string): string {
  return `${MARK}${itemId} ${uri}`;
}

/** The item's id, and the URI as clients know it; `undefined` for a URI of any other server. */
export function partsOfOwnUri(text: string): { id: string; uri: string } | undefined {
  if (!text.startsWith(MARK)) return undefined;
  const at = text.indexOf(" ");
  return at < 0 ? undefined : { id: text.slice(MARK.length, at), uri: text.slice(at + 1) };
}

/** No URI begins with it. */
const MARK = ".own/";
