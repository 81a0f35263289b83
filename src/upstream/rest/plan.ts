/**
 * Which argument of a REST tool goes where in its request.
 *
 * @module
 * @see contract.md, section 8, "REST tools"
 */
import {
  isQueryMethod,
  type ParameterPlace,
  type ParameterStyle,
  propertiesOf,
  type RestParameter,
  type RestTool,
} from "../../domain/rest_tool.ts";
import type { Style } from "./styles.ts";
import { parseUrlTemplate, type UrlTemplate } from "./url_template.ts";

/** An argument and its place. */
export interface Placed extends Style {
  /** Of the argument. */
  readonly name: string;
  readonly in: ParameterPlace;
  /** Its name in the request. */
  readonly as: string;
  readonly whole: boolean;
  readonly isBase64: boolean;
  readonly contentType: string | undefined;
}

export interface Plan {
  readonly template: UrlTemplate;
  /** By the names in the URL: those of the path, and those of the query. */
  readonly inUrl: ReadonlyMap<string, Placed>;
  /** By the names of arguments, those in the URL included. */
  readonly placed: ReadonlyMap<string, Placed>;
  /** Of an argument that has no place of its own. */
  readonly placeOf: (name: string) => Placed;
  /** Names in the query that the URL fixes: no argument may have another say. */
  readonly fixedNames: ReadonlySet<string>;
  /** Of the body, if there is one. */
  readonly contentType: string;
  /** Whether it is known to have a body, whatever arguments there are. */
  readonly hasBody: boolean;
}

/** @throws {Error} for a URL that is none, see `parseUrlTemplate` */
export function planOf(tool: RestTool): Plan {
  const template = parseUrlTemplate(tool.url);
  const names = new Set([...template.path.names, ...template.query.names]);
  const isForm = (type: string | undefined) => type !== undefined && FORM.test(type);
  const ownType = tool.contentType ?? headerOf(tool, "content-type");
  const hasForm = isForm(ownType) || (tool.parameters ?? []).some((one) => one.in === "form");
  const rest = isQueryMethod(tool.method) ? "query" : hasForm ? "form" : "body";
  const placed = new Map<string, Placed>();
  const inUrl = new Map<string, Placed>();
  for (const parameter of tool.parameters ?? []) {
    const one = placedOf(parameter);
    placed.set(one.name, one);
    if (names.has(one.as) && isUrlPlace(one.in, one.as, template)) inUrl.set(one.as, one);
  }
  for (const name of names) {
    if (inUrl.has(name)) continue;
    const place = template.path.names.includes(name) ? "path" : "query";
    const one = placedOf({ name, in: place, explode: false });
    inUrl.set(name, one);
    placed.set(name, one);
  }
  const placeOf = (name: string) => placedOf({ name, in: rest });
  for (const name of propertiesOf(tool.inputSchema)) {
    if (!placed.has(name)) placed.set(name, placeOf(name));
  }
  const places = new Set([...placed.values()].map((one) => one.in));
  return {
    template,
    inUrl,
    placed,
    placeOf,
    fixedNames: fixedNames(template),
    contentType: ownType ?? (hasForm ? FORM_TYPE : "application/json"),
    hasBody: places.has("form") || places.has("body"),
  };
}

export const FORM_TYPE = "application/x-www-form-urlencoded";
const FORM = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/i;

/** A header of the record's own. */
export function headerOf({ headers = {} }: RestTool, name: string): string | undefined {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}

function placedOf(parameter: RestParameter): Placed {
  const { name, in: place, as = name, style = USUAL_STYLE[place] } = parameter;
  return {
    name,
    in: place,
    as,
    style,
    // OpenAPI: true for `form` alone; `deepObject` has no other way.
    explode: parameter.explode ?? (style === "form" || style === "deepObject"),
    whole: parameter.whole ?? false,
    isBase64: parameter.encoding === "base64",
    contentType: parameter.contentType,
  };
}

const USUAL_STYLE: Readonly<Record<ParameterPlace, ParameterStyle>> = {
  path: "simple",
  query: "form",
  header: "simple",
  body: "form",
  form: "form",
};

function isUrlPlace(place: ParameterPlace, as: string, { path, query }: UrlTemplate): boolean {
  if (place === "path") return path.names.includes(as);
  return place === "query" && query.names.includes(as);
}

function fixedNames({ query }: UrlTemplate): ReadonlySet<string> {
  // An argument in the URL cannot end the pair that it stands in.
  const pairs = query.texts.join("x").split("&").filter((pair) => pair !== "");
  return new Set(pairs.map((pair) => decoded(pair.split("=", 1)[0]!)));
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}
