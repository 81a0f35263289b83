/**
 * A tool that is being made of an operation: its arguments, where they go, and what there is to say
 * about what it cannot do.
 *
 * @module
 */
import type { RestParameter } from "../../domain/rest_tool.ts";
import type { References } from "./references.ts";
import type { Schema, SchemaWriter } from "./schema.ts";

export interface Draft {
  readonly references: References;
  readonly schemas: SchemaWriter;
  readonly is30: boolean;
  readonly properties: Map<string, Schema>;
  readonly required: Set<string>;
  readonly parameters: RestParameter[];
  /** Whether the body may have members that are not named. */
  additional: Schema;
  contentType: string | undefined;
  /** What of the operation the tool leaves out, as sentences. */
  readonly notes: string[];
}

/** An argument and where it goes. */
export interface Argument extends Omit<RestParameter, "name"> {
  readonly schema: Schema;
  readonly isRequired: boolean;
  readonly description?: string | undefined;
}

/** @param as its name in the request, and, where that is free, of the argument */
export function addArgument(draft: Draft, as: string, argument: Argument): void {
  const { schema, isRequired, description, ...place } = argument;
  const name = freeName(as, argument.in, (one) => draft.properties.has(one));
  draft.properties.set(name, described(schema, description));
  if (isRequired) draft.required.add(name);
  draft.parameters.push({ name, ...name === as ? {} : { as }, ...place });
}

export function freeName(
  wanted: string,
  prefix: string,
  isTaken: (name: string) => boolean,
): string {
  if (!isTaken(wanted)) return wanted;
  const base = `${prefix}_${wanted}`;
  let name = base;
  for (let i = 2; isTaken(name); i++) name = `${base}_${i}`;
  return name;
}

/** What is said of the argument wins over what is said of its type. */
function described(schema: Schema, description: string | undefined): Schema {
  if (description === undefined || schema === false) return schema;
  return schema === true ? { description } : { ...schema, description };
}
