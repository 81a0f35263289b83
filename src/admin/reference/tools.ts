/**
 * Tools of the reference system: those of its own are REST tools here.
 *
 * @module
 * @see reference/behaviour.md, sections 4.2 to 4.5, and 10.1
 */
import { formatDuration } from "../../domain/duration.ts";
import {
  isSafeMethod,
  propertiesOf,
  REST_METHODS,
  type RestMethod,
  type RestParameter,
  type RestTool,
} from "../../domain/rest_tool.ts";
import { restToolFaults } from "../../upstream/rest/tool_faults.ts";
import { addressOf } from "./addresses.ts";
import { audienceOf } from "./audience.ts";
import { credentialsOf } from "./credentials.ts";
import { type Entry, isObject, type Json, NotTaken } from "./entry.ts";
import { filterOf } from "./filter.ts";
import { headersOf } from "./headers.ts";
import { gatewayOf, takeOffered } from "./items.ts";
import { itemNameFor, ownName } from "./names.ts";
import type { OwnNotes } from "./notes.ts";
import { referencesTo } from "./register.ts";
import { descriptionOf, metaOf, titleOf } from "./texts.ts";
import { fitting, isOff, type World } from "./world.ts";

export function takeTool(world: World, entry: Entry, notes: OwnNotes): void {
  const type = (entry.text("integration_type") ?? "").toUpperCase();
  const gateway = gatewayOf(world, entry);
  if (gateway !== undefined && (type === "" || type === "MCP")) {
    const upstreamName = entry.text("original_name") ?? ownName(entry);
    return takeOffered(world, gateway, { kind: "tool", upstreamName }, entry, notes);
  }
  if (type === "MCP") throw new NotTaken("It is a tool of a gateway, and does not say of which");
  if (type !== "" && type !== "REST") {
    throw new NotTaken("Its integration type is neither REST nor MCP");
  }
  takeRest(world, entry, notes);
}

function takeRest(world: World, entry: Entry, notes: OwnNotes): void {
  const given = ownName(entry);
  const wanted = itemNameFor(given);
  const { tool, isLacking } = restToolOf(entry, wanted, notes);
  const { timeoutMs, ...members } = tool;
  const record = fitting(world, "tools", {
    ...copied(members),
    title: titleOf(entry, given),
    _meta: metaOf(entry),
    description: descriptionOf(entry, notes),
    timeout: timeoutMs === undefined ? undefined : formatDuration(timeoutMs),
    enabled: isOff(entry) || isLacking ? false : undefined,
    ...audienceOf(entry, world.teams.find, notes),
  });
  const name = world.toolNames.take(wanted);
  if (name !== given) notes.lost(`Its name is "${name}" here`);
  world.lists.tools.push({ ...record, name });
  notes.becomes("tool", name);
  world.tools.add(referencesTo(entry), name);
}

/** What it calls, and how; `isLacking` when it must not be called before something is filled in. */
function restToolOf(
  entry: Entry,
  name: string,
  notes: OwnNotes,
): { readonly tool: RestTool; readonly isLacking: boolean } {
  const { url, isLacking } = addressOf(entry.text("url") ?? "", notes);
  const method = methodOf(entry);
  const inputSchema = inputSchemaOf(entry, url);
  const outputSchema = orUndefined(entry.object("output_schema"));
  const credentials = credentialsOf(entry, notes);
  const filter = filterOf(entry, outputSchema?.type === "object", notes);
  const headers = { ...headersOf(entry, credentials.auth, notes), ...credentials.headers };
  const tool: RestTool = {
    name,
    method,
    url,
    headers: orUndefined(headers),
    auth: credentials.auth,
    inputSchema,
    outputSchema,
    annotations: orUndefined(entry.object("annotations")),
    parameters: method === "DELETE" ? bodyParameters(inputSchema, url) : undefined,
    filter: filter.text,
    timeoutMs: timeoutOf(entry, notes),
  };
  const [fault] = restToolFaults(tool);
  if (fault !== undefined) throw new NotTaken(`"${fault.path}" does not fit: ${fault.message}`);
  if (url.includes("?") && !isSafeMethod(method)) {
    notes.lost("The query of its URL was sent in the body, and stays in the query here");
  }
  return { tool, isLacking: isLacking || credentials.isLacking || filter.isLacking };
}

/** @throws {NotTaken} */
function methodOf(entry: Entry): RestMethod {
  const given = (entry.text("request_type") ?? "POST").toUpperCase();
  const method = REST_METHODS.find((one) => one === given);
  if (method === undefined) throw new NotTaken("Its request type is no method of HTTP");
  return method;
}

const PLACE = /\{(\w+)\}/g;

/** An argument that the URL has a place for was needed there, whether the schema had it or not. */
function inputSchemaOf(entry: Entry, url: string): Json {
  const given: Json = { type: "object", ...entry.object("input_schema") };
  const properties = isObject(given.properties) ? given.properties : {};
  const missing = placesIn(url).filter((name) => !Object.hasOwn(properties, name));
  if (missing.includes("__proto__")) throw new NotTaken('Its URL has a place for "__proto__"');
  if (missing.length === 0) return { properties, ...given };
  const required = Array.isArray(given.required) ? given.required : [];
  const added = missing.map((name) => [name, { type: "string" }]);
  return {
    ...given,
    properties: { ...properties, ...Object.fromEntries(added) },
    required: [...new Set([...required, ...missing])],
  };
}

function placesIn(url: string): readonly string[] {
  return [...new Set([...url.matchAll(PLACE)].map(([, name]) => name!))];
}

/** Arguments of DELETE are sent in the body there, and in the query here unless it is said. */
function bodyParameters(inputSchema: Json, url: string): readonly RestParameter[] | undefined {
  const inUrl = placesIn(url);
  const names = [...propertiesOf(inputSchema)].filter((name) => !inUrl.includes(name));
  return names.length === 0 ? undefined : names.map((name) => ({ name, in: "body" }));
}

const TIMEOUT_MS_MIN = 100;
const TIMEOUT_MS_MAX = 24 * 3_600_000;

function timeoutOf(entry: Entry, { lost }: OwnNotes): number | undefined {
  const seconds = entry.number("timeout");
  const ms = entry.number("timeout_ms") ?? (seconds === undefined ? undefined : seconds * 1000);
  if (ms === undefined) return undefined;
  if (ms >= TIMEOUT_MS_MIN && ms <= TIMEOUT_MS_MAX) return Math.round(ms);
  lost("Its timeout is not from 100 ms to 24 hours");
  return undefined;
}

function orUndefined<T extends object>(value: T | undefined): T | undefined {
  return value === undefined || Object.keys(value).length === 0 ? undefined : value;
}

/** What a record holds, it may change. */
function copied<T extends { readonly parameters?: readonly RestParameter[] | undefined }>(
  { parameters, ...tool }: T,
) {
  return { ...tool, parameters: parameters && [...parameters] };
}
