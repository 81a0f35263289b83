/**
 * Moving over from the reference system: its export document as a bundle of the gateway's own.
 *
 * Nothing is asked and nothing is written; whatever the document is, this gives an answer. No secret of
 * it, sealed or not, gets into the bundle or the report.
 *
 * @module
 * @see contract.md, section 8, "Export and import"; reference/behaviour.md, section 9.4
 */
import { LIMITS } from "../domain/limits.ts";
import { atOnce } from "../platform/pace.ts";
import type { Translated } from "./api/bundle.ts";
import { takeTeam, takeUser } from "./reference/accounts.ts";
import {
  type Entry,
  holdsSomething,
  isObject,
  type Json,
  NotTaken,
  shown,
} from "./reference/entry.ts";
import { takeGateway } from "./reference/gateways.ts";
import { createNotes, type OwnNotes } from "./reference/notes.ts";
import { takePrompt } from "./reference/prompts.ts";
import { createRefusals, type RefusalDeps } from "./reference/refusals.ts";
import { takeResource } from "./reference/resources.ts";
import { takeServer } from "./reference/servers.ts";
import { takeTool } from "./reference/tools.ts";
import { createWorld, takeEntry, type World } from "./reference/world.ts";

export interface ReferenceOptions {
  /** `GATEWAY_TOOL_NAME_SEPARATOR` */
  readonly separator?: string;
  /** What the gateway would refuse is left out; without these, nothing is known of that. */
  readonly rules?: RefusalDeps | undefined;
}

/** @param document parsed JSON, whatever it holds */
export function bundleOfReference(document: unknown, options: ReferenceOptions = {}): Translated {
  return atOnce(referenceSteps(document, options));
}

/** The same, entry by entry: others may have their turns in between. */
export function* referenceSteps(
  document: unknown,
  { separator = "-", rules }: ReferenceOptions = {},
): Generator<void, Translated> {
  const notes = createNotes();
  const world = createWorld(notes, separator, rules ? createRefusals(rules) : () => undefined);
  const entities = entitiesOf(document);
  if (entities === undefined) {
    notes.notTaken("document", "", 'It is no export document: it has no object "entities"');
    return { bundle: { sallyport: 1 }, ...notes.report() };
  }
  for (const { lists, kind, take } of KINDS) {
    for (const list of lists) yield* listSteps(world, entities, { list, kind, take });
  }
  noteOthers(world, entities);
  noteAudience(world);
  const filled = Object.entries(world.lists).filter(([, list]) => list.length > 0);
  return { bundle: { sallyport: 1, ...Object.fromEntries(filled) }, ...notes.report() };
}

type Take = (world: World, entry: Entry, notes: OwnNotes) => void;

/** In this order: what comes later refers to what came before. */
const KINDS: readonly { lists: readonly string[]; kind: string; take: Take }[] = [
  { lists: ["teams", "email_teams"], kind: "team", take: takeTeam },
  { lists: ["users", "email_users"], kind: "user", take: takeUser },
  { lists: ["gateways"], kind: "gateway", take: takeGateway },
  { lists: ["tools"], kind: "tool", take: takeTool },
  { lists: ["prompts"], kind: "prompt", take: takePrompt },
  { lists: ["resources"], kind: "resource", take: takeResource },
  { lists: ["servers"], kind: "server", take: takeServer },
  { lists: ["roots"], kind: "root", take: refuseRoot },
];

interface ListKind {
  readonly list: string;
  readonly kind: string;
  readonly take: Take;
}

function* listSteps(
  world: World,
  entities: Json,
  { list, kind, take }: ListKind,
): Generator<void, void> {
  const given = Object.hasOwn(entities, list) ? entities[list] : undefined;
  if (given === undefined || given === null) return;
  if (!Array.isArray(given)) return world.notes.notTaken(kind, "", `"${list}" is not a list`);
  for (const value of given.slice(0, LIMITS.referenceEntries)) {
    takeEntry(world, kind, value, (entry, notes) => take(world, entry, notes));
    yield;
  }
  const more = given.length - LIMITS.referenceEntries;
  if (more > 0) world.notes.notTaken(kind, "", `Of "${list}" the last ${more} are not read`);
}

function refuseRoot(): never {
  throw new NotTaken("Roots are asked of clients here, and none are kept");
}

const OTHERS_MAX = 100;

function noteOthers({ notes }: World, entities: Json): void {
  const known = new Set(KINDS.flatMap(({ lists }) => lists));
  const others = Object.keys(entities).filter((name) =>
    !known.has(name) && holdsSomething(entities[name])
  );
  for (const name of others.slice(0, OTHERS_MAX)) {
    const value = entities[name];
    const count = Array.isArray(value) ? `, of which it has ${value.length}` : "";
    notes.notTaken(shown(name), "", `There is nothing of this kind here${count}`);
  }
  const more = others.length - OTHERS_MAX;
  if (more > 0) notes.notTaken("document", "", `It has ${more} more kinds that are not known`);
}

/** Documents of most versions say nothing of visibility. */
function noteAudience({ lists, notes }: World): void {
  const { upstreams, tools, prompts, resources, servers } = lists;
  const open = [...upstreams, ...tools, ...prompts, ...resources, ...servers]
    .filter(({ visibility }) => visibility === undefined).length;
  if (open === 0) return;
  notes.notTaken(
    "document",
    "",
    `It does not say who may see ${open} of its entries: public if an administrator imports them`,
  );
}

function entitiesOf(document: unknown): Json | undefined {
  if (!isObject(document) || !Object.hasOwn(document, "entities")) return undefined;
  return isObject(document.entities) ? document.entities : undefined;
}
