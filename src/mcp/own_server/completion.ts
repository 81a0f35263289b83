/**
 * `completion/complete`: values that were written down for an argument, as far as they begin with
 * what is there already.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Completion"
 */
import { ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { OwnArgument, OwnSpec } from "../../domain/own_item.ts";
import { INVALID_PARAMS, isObject, type JsonObject } from "../message.ts";
import type { OwnLookup } from "./lookup.ts";
import { promptNamed } from "./prompts.ts";
import { resourceOf } from "./resources.ts";

/** @throws {ProtocolError} -32602 for what is not there */
export function completionOf(own: OwnLookup, { ref, argument }: JsonObject): JsonObject {
  if (!isObject(argument) || typeof argument.value !== "string") {
    throw unfit("params.argument must have a name and a value");
  }
  const { name, value } = argument;
  const found = argumentsOf(specOf(own, ref)).find((one) => one.name === name);
  if (found === undefined) throw unfit(`There is no argument "${name}" to complete`);
  const values = (found.values ?? []).filter((one) => one.startsWith(value));
  const shown = values.slice(0, LIMITS.completions);
  const hasMore = shown.length < values.length;
  return { completion: { values: shown, total: values.length, hasMore } };
}

function specOf(own: OwnLookup, ref: unknown): OwnSpec {
  if (!isObject(ref)) throw unfit("params.ref must name a prompt or a resource");
  if (ref.type === "ref/prompt") return promptNamed(own, ref.name);
  return own.named("template", ref.uri)?.own?.spec ?? resourceOf(own, ref.uri).spec;
}

function argumentsOf(spec: OwnSpec): readonly Pick<OwnArgument, "name" | "values">[] {
  return "arguments" in spec ? spec.arguments : [];
}

function unfit(text: string): ProtocolError {
  return new ProtocolError(INVALID_PARAMS, 200, text);
}
