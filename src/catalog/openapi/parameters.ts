/**
 * Parameters of operations as arguments of tools.
 *
 * @module
 * @see OpenAPI 3.1.1, "Parameter Object"
 */
import { type ParameterStyle, STYLES } from "../../domain/rest_tool.ts";
import { isJsonType } from "../../upstream/rest/request_body.ts";
import { isArgumentHeader } from "../../upstream/rest/request_headers.ts";
import { isMembers, type Members } from "./document.ts";
import { addArgument, type Draft } from "./draft.ts";
import { Inexpressible, quoted } from "./references.ts";

/**
 * Those of the operation, and those of its path that it does not say anew.
 * @throws {Inexpressible} for one that cannot be sent, and has to be
 */
export function addParameters(draft: Draft, ofPath: unknown, ofOperation: unknown): void {
  const byPlace = new Map<string, Members>();
  for (const each of [...listOf(ofPath), ...listOf(ofOperation)]) {
    const parameter = draft.references.resolve(each);
    if (!isMembers(parameter) || typeof parameter.name !== "string") {
      throw new Inexpressible("A parameter has no name");
    }
    byPlace.set(`${parameter.in} ${parameter.name}`, parameter);
  }
  for (const parameter of byPlace.values()) addParameter(draft, parameter, String(parameter.name));
}

function addParameter(draft: Draft, parameter: Members, name: string): void {
  const { in: place } = parameter;
  const isRequired = place === "path" || parameter.required === true;
  const leaveOut = (reason: string) => {
    if (isRequired) throw new Inexpressible(reason);
    draft.notes.push(`${reason}: it is left out`);
  };
  switch (place) {
    case "path":
    case "query":
      return add(draft, parameter, name, place, isRequired);
    case "header":
      // They follow from elsewhere (OpenAPI 3.1.1, "Fixed Fields").
      if (/^(?:accept|content-type|authorization)$/i.test(name)) return;
      if (isArgumentHeader(name)) return add(draft, parameter, name, place, isRequired);
      // It may be among what the tool presents, or sets by itself.
      draft.notes.push(`The header ${quoted(name)} is not set by an argument: it is left out`);
      return;
    case "cookie":
      return leaveOut(`The cookie ${quoted(name)} cannot be sent`);
    default:
      return leaveOut(`The parameter ${quoted(name)} has no known place`);
  }
}

function add(
  draft: Draft,
  parameter: Members,
  name: string,
  place: "path" | "query" | "header",
  isRequired: boolean,
): void {
  const { schema, content, style, explode, description, example } = parameter;
  const [type, media] = isMembers(content) ? Object.entries(content)[0] ?? [] : [];
  const isJson = type !== undefined && isJsonType(type.split(";", 1)[0]!.trim().toLowerCase());
  const source = type === undefined ? schema : isMembers(media) ? media.schema : undefined;
  const written = draft.schemas.write(source ?? {});
  addArgument(draft, name, {
    in: place,
    isRequired,
    schema: example === undefined || typeof written === "boolean" || written.examples
      ? written
      : { ...written, examples: [example] },
    ...textIn(description),
    ...isJson ? { contentType: "application/json" } : {},
    ...isStyle(style) && style !== USUAL[place] ? { style } : {},
    ...typeof explode === "boolean" ? { explode } : {},
  });
}

const USUAL = { path: "simple", query: "form", header: "simple" } as const;

export function isStyle(style: unknown): style is ParameterStyle {
  return STYLES.some((one) => one === style);
}

export function textIn(description: unknown): { description?: string } {
  return typeof description === "string" && description !== "" ? { description } : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
