/**
 * What is wrong with the record of a REST tool, all at once.
 *
 * @module
 * @see contract.md, section 8, "REST tools"
 */
import type { Fault } from "../../domain/errors.ts";
import {
  isSafeMethod,
  propertiesOf,
  type RestParameter,
  type RestTool,
  STYLES,
} from "../../domain/rest_tool.ts";
import { isHeaderName, isHeaderValue, isSettable } from "../header_fields.ts";
import { compileFilter } from "./filter.ts";
import { headerOf, type Placed, type Plan, planOf } from "./plan.ts";
import { isJsonType } from "./request_body.ts";
import { isArgumentHeader, isOwnHeader } from "./request_headers.ts";

/** @param tool of the right types; what its members hold is looked at here */
export function restToolFaults(tool: RestTool): readonly Fault[] {
  const faults: Fault[] = [];
  const note = (path: string, message: string) => void faults.push({ path, message });
  noteSchema(tool, note);
  noteHeaders(tool, note);
  noteFilter(tool, note);
  let plan: Plan | undefined;
  try {
    plan = planOf(tool);
  } catch (error) {
    note("url", textOf(error));
  }
  if (plan !== undefined) noteNames(tool, plan, note);
  (tool.parameters ?? []).forEach((parameter, i) =>
    noteParameter(tool, parameter, plan, (member, message) => {
      note(`parameters.${i}${member === "" ? "" : `.${member}`}`, message);
    })
  );
  noteTwice(tool, plan, note);
  noteBody(tool, plan, note);
  return faults;
}

type Note = (path: string, message: string) => void;

function noteSchema({ inputSchema }: RestTool, note: Note): void {
  if (inputSchema.type !== "object") note("inputSchema.type", 'must be "object"');
}

function noteHeaders(tool: RestTool, note: Note): void {
  for (const [name, value] of Object.entries(tool.headers ?? {})) {
    const path = `headers.${name}`;
    if (!isSettable(name) && !isOwnHeader(name)) note(path, "the header cannot be set");
    else if (!isHeaderValue(value)) note(path, "must be printable ASCII");
  }
}

function noteFilter({ filter }: RestTool, note: Note): void {
  if (filter === undefined) return;
  try {
    // Which patterns it may match with is only asked when it is applied.
    compileFilter(filter, () => undefined);
  } catch (error) {
    note("filter", `is neither JSONPath nor JMESPath: ${textOf(error)}`);
  }
}

/** Names in the URL are arguments; names that it fixes are none. */
function noteNames(tool: RestTool, plan: Plan, note: Note): void {
  const known = propertiesOf(tool.inputSchema);
  for (const [name, place] of plan.inUrl) {
    const isOwn = tool.parameters?.some((one) => one.name === place.name) ?? false;
    if (!isOwn && !known.has(name)) {
      note("url", `{${shown(name)}} is not in the properties of the input schema`);
    }
  }
  for (const one of plan.placed.values()) {
    if (one.in === "query" && !isInUrl(plan, one) && plan.fixedNames.has(one.as)) {
      note("url", `sets the parameter "${shown(one.as)}", which is an argument too`);
    }
  }
}

function noteParameter(
  tool: RestTool,
  parameter: RestParameter,
  plan: Plan | undefined,
  note: Note,
): void {
  const { name, in: place, as = name, style, contentType, whole, encoding } = parameter;
  if (!propertiesOf(tool.inputSchema).has(name)) {
    note("name", `"${shown(name)}" is not in the properties of the input schema`);
  }
  if (place === "path" && plan !== undefined && !plan.template.path.names.includes(as)) {
    note("as", `{${shown(as)}} is not in the path of the URL`);
  }
  if (place === "header" && !(isHeaderName(as) && isArgumentHeader(as))) {
    note("as", "an argument cannot set this header");
  }
  if (place === "header" && headerOf(tool, as.toLowerCase()) !== undefined) {
    note("as", "the tool sets this header itself");
  }
  if (place === "header" && isAuthHeader(tool, as)) note("as", "auth sets this header");
  if ((place === "body" || place === "form") && isSafeMethod(tool.method)) {
    note("in", `${tool.method} has no body`);
  }
  if (style !== undefined && !ALLOWED[place].includes(style)) {
    note("style", `"${style}" does not go with "${place}"`);
  }
  if (contentType !== undefined && !isMediaType(contentType)) {
    note("contentType", "must be a media type");
  } else if (contentType !== undefined && place !== "form" && !isJsonType(contentType)) {
    note("contentType", 'must be "application/json" here');
  }
  if (whole && place !== "body") note("whole", 'goes with "body" only');
  if (encoding !== undefined && !whole && place !== "form") {
    note("encoding", "goes with a whole body, or a part of a form");
  }
}

const ALLOWED: Readonly<Record<Placed["in"], readonly string[]>> = {
  path: STYLES.slice(0, 3),
  query: STYLES.slice(3),
  header: STYLES.slice(0, 1),
  body: [],
  form: STYLES.slice(3),
};

function isAuthHeader({ auth }: RestTool, name: string): boolean {
  if (auth === undefined || auth.type === "none") return false;
  const own = auth.type === "header" ? auth.name : "Authorization";
  return own.toLowerCase() === name.toLowerCase();
}

function noteTwice({ parameters = [] }: RestTool, plan: Plan | undefined, note: Note): void {
  const names = new Set<string>();
  parameters.forEach(({ name }, i) => {
    if (names.has(name)) note(`parameters.${i}.name`, "stands there twice");
    names.add(name);
  });
  const wires = new Map<string, string>();
  for (const one of plan?.placed.values() ?? []) {
    const wire = `${one.in} ${one.in === "header" ? one.as.toLowerCase() : one.as}`;
    const other = wires.get(wire);
    if (other === undefined) wires.set(wire, one.name);
    else note("parameters", `"${shown(other)}" and "${shown(one.name)}" have the same place`);
  }
}

function noteBody(tool: RestTool, plan: Plan | undefined, note: Note): void {
  const { contentType } = tool;
  if (contentType !== undefined && !isMediaType(contentType)) {
    return note("contentType", "must be a media type");
  }
  if (plan === undefined) return;
  const placed = [...plan.placed.values()];
  const inBody = placed.filter((one) => one.in === "body");
  const inForm = placed.filter((one) => one.in === "form");
  const wholes = inBody.filter((one) => one.whole);
  if (inBody.length > 0 && inForm.length > 0) {
    note("parameters", "some are in the body, and some in a form: it must be one of both");
  }
  if (wholes.length > 0 && inBody.length > 1) {
    note("parameters", `"${shown(wholes[0]!.name)}" is the whole body, and there is more in it`);
  }
  const essence = plan.contentType.split(";", 1)[0]!.trim().toLowerCase();
  const isForm = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)$/.test(essence);
  if (inForm.length > 0 && !isForm) note("contentType", "must be that of a form");
  if (inBody.length > 0 && isForm) note("contentType", "is that of a form, and there is a body");
  if (inBody.length > 0 && !isForm && !isJsonType(essence) && wholes.length === 0) {
    note("contentType", 'needs one parameter that is the "whole" body');
  }
}

function isInUrl({ inUrl }: Plan, place: Placed): boolean {
  return inUrl.get(place.as) === place;
}

function isMediaType(text: string): boolean {
  return /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:;[\x20-\x7e]{1,127})?$/.test(text);
}

function shown(name: string): string {
  return name.toWellFormed().slice(0, 200);
}

function textOf(error: unknown): string {
  return shown(error instanceof Error ? error.message : String(error));
}
