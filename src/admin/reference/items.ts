/**
 * What gateways of the reference system offer. Discovery finds it again, so that only what people have
 * changed of it is taken over.
 *
 * @module
 * @see reference/behaviour.md, sections 6.1 and 6.4
 */
import { exposedName } from "../../domain/exposed_name.ts";
import { isNamed, type ItemKind } from "../../domain/item.ts";
import { type Audience, audienceOf } from "./audience.ts";
import { type Entry, NotTaken } from "./entry.ts";
import type { OwnNotes } from "./notes.ts";
import { referenceOf, referencesTo } from "./register.ts";
import { descriptionOf, titleOf } from "./texts.ts";
import { fitting, type Gateway, isOff, type World } from "./world.ts";

/**
 * The gateway that offers it; `undefined` for the reference system's own.
 * @throws {NotTaken} when the document has no such gateway
 */
export function gatewayOf(world: World, entry: Entry): Gateway | undefined {
  const references = ["gateway_id", "gateway_name", "gateway_slug", "gateway"]
    .flatMap((member) => referenceOf(entry.peek(member)) || []);
  if (references.length === 0) return undefined;
  const found = references.map(world.gateways.find).find((one) => one !== undefined);
  if (found !== undefined) return found;
  throw new NotTaken("Its gateway is not in the document, or was not taken over");
}

/** @param upstreamName the name, URI or URI template that its server gave it */
export function takeOffered(
  world: World,
  { slug, audience }: Gateway,
  { kind, upstreamName }: { readonly kind: ItemKind; readonly upstreamName: string },
  entry: Entry,
  notes: OwnNotes,
): void {
  for (const member of SAID_BY_SERVER) entry.any(member);
  const named = (name: string) => exposedName(slug, world.separator, name, () => false);
  const custom = isNamed(kind) ? entry.text("custom_name") ?? upstreamName : upstreamName;
  const changed = {
    name: custom === upstreamName ? undefined : named(custom),
    title: titleOf(entry, upstreamName),
    description: ownDescription(entry, notes),
    enabled: isOff(entry) ? false : undefined,
    ...narrower(audienceOf(entry, world.teams.find, notes), audience),
  };
  if (Object.values(changed).some((value) => value !== undefined)) {
    world.lists.items.push(
      fitting(world, "items", { upstream: slug, kind, upstreamName, ...changed }),
    );
  }
  if (!isNamed(kind)) {
    world.resources.add([referenceOf(entry.peek("id")), upstreamName], upstreamName);
    return;
  }
  const register = kind === "tool" ? world.tools : world.prompts;
  register.add(referencesTo(entry), named(custom));
}

/** Members that discovery finds again. */
const SAID_BY_SERVER = [
  "name",
  "url",
  "integration_type",
  "request_type",
  "input_schema",
  "output_schema",
  "argument_schema",
  "arguments",
  "annotations",
  "template",
  "mime_type",
  "content",
  "text_content",
  "binary_content",
  "timeout",
  "timeout_ms",
  "_meta",
];

/** What its server says of it is not laid over what that says tomorrow. */
function ownDescription(entry: Entry, notes: OwnNotes): string | undefined {
  const description = descriptionOf(entry, notes);
  return entry.peek("original_description") === entry.peek("description") ? undefined : description;
}

/** `{}` for one that is shown to all who see its gateway. */
function narrower(own: Audience, { visibility = "public", teamId, owner }: Audience): Audience {
  if (own.visibility === undefined || own.visibility === "public") return {};
  const isSame = own.visibility === visibility &&
    (visibility === "team" ? own.teamId === teamId : own.owner === owner);
  return isSame ? {} : own;
}
