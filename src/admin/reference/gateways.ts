/**
 * Gateways of the reference system, which are upstream servers here.
 *
 * @module
 * @see reference/behaviour.md, sections 6.1 and 10.1
 */
import { slugOf } from "../../domain/server.ts";
import { isPassable } from "../../upstream/header_fields.ts";
import { line } from "../api/schemas.ts";
import { addressOf } from "./addresses.ts";
import { audienceOf } from "./audience.ts";
import { credentialsOf } from "./credentials.ts";
import { type Entry, isObject, isText, NotTaken } from "./entry.ts";
import { slugFor } from "./names.ts";
import { inWords, type OwnNotes } from "./notes.ts";
import { referencesTo } from "./register.ts";
import { fitting, isOff, type World } from "./world.ts";

export function takeGateway(world: World, entry: Entry, notes: OwnNotes): void {
  const name = entry.text("name");
  if (name === undefined) throw new NotTaken('It has no "name"');
  const ownSlug = entry.text("slug");
  const wanted = slugFor(name, ownSlug);
  const type = transportOf(entry);
  const credentials = credentialsOf(entry, notes);
  const audience = audienceOf(entry, world.teams.find, notes);
  const { url, isLacking } = addressOf(entry.text("url") ?? "", notes);
  const upstream = fitting(world, "upstreams", {
    name,
    url,
    type,
    ...credentials.auth && { auth: credentials.auth },
    ...Object.keys(credentials.headers).length > 0 && { headers: credentials.headers },
    passthroughHeaders: passedHeaders(entry, notes),
    tags: tagsOf(entry),
    enabled: isOff(entry) || isLacking || credentials.isLacking ? false : undefined,
    ...audience,
  });
  const slug = world.slugs.take(wanted);
  if (slug !== wanted) notes.lost(`Its slug is "${slug}" here: another one has "${wanted}"`);
  world.lists.upstreams.push(slug === slugOf(name) ? upstream : { ...upstream, slug });
  notes.becomes("upstream", slug);
  world.gateways.add(referencesTo(entry), { slug, audience });
  const there = ownSlug ?? slugOf(name);
  if (!world.gatewaySlugs.has(there)) world.gatewaySlugs.set(there, slug);
}

const TRANSPORTS: Readonly<Record<string, "http" | "sse">> = {
  sse: "sse",
  http: "http",
  streamablehttp: "http",
};

/** @throws {NotTaken} */
function transportOf(entry: Entry): "http" | "sse" {
  const given = (entry.text("transport") ?? "SSE").toLowerCase().replace(/[-_ ]/g, "");
  if (given === "stdio") {
    throw new NotTaken("Programs (STDIO) are declared in the config file only");
  }
  const type = Object.hasOwn(TRANSPORTS, given) ? TRANSPORTS[given] : undefined;
  if (type === undefined) throw new NotTaken("Its transport is neither SSE nor Streamable HTTP");
  return type;
}

function passedHeaders(entry: Entry, { lost }: OwnNotes): string[] | undefined {
  const given = (entry.list("passthrough_headers") ?? []).filter(isText);
  const refused = given.filter((name) => !isPassable(name));
  if (refused.length > 0) lost(`Never passed through: ${inWords(refused)}`);
  const kept = new Set(given.filter(isPassable).map((name) => name.toLowerCase()));
  return kept.size === 0 ? undefined : [...kept];
}

const TAG_CHARS_MAX = 64;

/** Texts, or objects with a label. */
function tagsOf(entry: Entry): string[] | undefined {
  const given = (entry.list("tags") ?? [])
    .map((tag) => isObject(tag) ? tag.label ?? tag.id : tag)
    .filter((tag) => line(TAG_CHARS_MAX).safeParse(tag).success) as string[];
  return given.length === 0 ? undefined : [...new Set(given)];
}
