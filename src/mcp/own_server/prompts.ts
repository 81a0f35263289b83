/**
 * `prompts/get`: the messages of a prompt, with what was given in their texts.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Prompts"; contract.md, section 8
 */
import { ProtocolError } from "../../domain/errors.ts";
import type { Content, OwnArgument, OwnPrompt } from "../../domain/own_item.ts";
import type { TextValues } from "../../catalog/text_template.ts";
import { INVALID_PARAMS, isObject, type JsonObject } from "../message.ts";
import type { OwnLookup } from "./lookup.ts";
import { createTexts, type Texts } from "./texts.ts";

/** @throws {ProtocolError} -32602 for one that has gone meanwhile */
export function promptNamed({ named }: OwnLookup, name: unknown): OwnPrompt {
  const spec = named("prompt", name)?.own?.spec;
  if (spec?.kind === "prompt") return spec;
  throw unfit(`Unknown prompt: ${name}`);
}

/** @throws {ProtocolError} -32602 for arguments that do not fit */
export function promptOf(prompt: OwnPrompt, given: unknown): JsonObject {
  const { description, arguments: declared, messages } = prompt;
  const texts = createTexts(valuesOf(declared, given));
  return {
    ...description !== undefined && { description },
    messages: messages.map(({ role, content }) => ({ role, content: filled(content, texts) })),
  };
}

function valuesOf(declared: readonly OwnArgument[], given: unknown = {}): TextValues {
  if (!isObject(given)) throw unfit("params.arguments must be an object");
  const values = new Map(
    Object.entries(given).map(([name, value]) => {
      if (typeof value !== "string") throw unfit(`The argument "${name}" must be a string`);
      return [name, value];
    }),
  );
  const missing = declared.find(({ name, required }) => required && !values.has(name));
  if (missing !== undefined) throw unfit(`The argument "${missing.name}" is missing`);
  return values;
}

function filled(content: Content, { filled }: Texts): Content {
  const { text, resource } = content;
  return {
    ...content,
    ...text !== undefined && { text: filled(text) },
    ...resource?.text !== undefined && { resource: { ...resource, text: filled(resource.text) } },
  };
}

function unfit(text: string): ProtocolError {
  return new ProtocolError(INVALID_PARAMS, 200, text);
}
