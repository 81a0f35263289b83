/**
 * Virtual servers of the reference system.
 *
 * @module
 * @see reference/behaviour.md, section 6.5
 */
import { exposedName } from "../../domain/exposed_name.ts";
import { LIMITS } from "../../domain/limits.ts";
import { slugOf } from "../../domain/server.ts";
import { audienceOf } from "./audience.ts";
import { type Entry, NotTaken } from "./entry.ts";
import { slugFor } from "./names.ts";
import { inWords, type OwnNotes } from "./notes.ts";
import { referenceOf, type Register } from "./register.ts";
import { descriptionOf, titleOf } from "./texts.ts";
import { fitting, isOff, type World } from "./world.ts";

export function takeServer(world: World, entry: Entry, notes: OwnNotes): void {
  const name = entry.text("name");
  if (name === undefined) throw new NotTaken('It has no "name"');
  const wanted = slugFor(name, entry.text("slug"));
  const list = (noun: Noun, known: Register<string>) =>
    membersOf(world, entry, { noun, known }, notes);
  const server = fitting(world, "servers", {
    name,
    title: titleOf(entry, name),
    description: descriptionOf(entry, notes),
    tools: list("tool", world.tools),
    prompts: list("prompt", world.prompts),
    resources: list("resource", world.resources),
    enabled: isOff(entry) ? false : undefined,
    ...audienceOf(entry, world.teams.find, notes),
  });
  const slug = world.slugs.take(wanted);
  if (slug !== wanted) notes.lost(`Its slug is "${slug}" here: another one has "${wanted}"`);
  world.lists.servers.push(slug === slugOf(name) ? server : { ...server, slug });
}

type Noun = "tool" | "prompt" | "resource";

/** Exposed names, or URIs; `undefined` for none. Versions call the list by three names. */
function membersOf(
  world: World,
  entry: Entry,
  { noun, known }: { readonly noun: Noun; readonly known: Register<string> },
  { lost }: OwnNotes,
): string[] | undefined {
  const given = [`${noun}_ids`, `associated_${noun}s`, `${noun}s`]
    .flatMap((member) => entry.list(member) ?? []);
  const found = new Set<string>();
  const guessed = new Set<string>();
  const unknown = new Set<string>();
  for (const each of given) {
    const reference = referenceOf(each) ?? "";
    const name = known.find(reference);
    if (name !== undefined && !isPattern(name)) {
      found.add(name);
      continue;
    }
    const names = noun === "resource" ? [] : guesses(reference, world);
    for (const one of names) found.add(one);
    (names.length === 0 ? unknown : guessed).add(reference);
  }
  if (unknown.size > 0) {
    lost(`Of its ${noun}s these cannot be listed, or are not there: ${inWords([...unknown])}`);
  }
  if (guessed.size > 0) {
    lost(
      `Names of its ${noun}s are guessed, to be checked when the gateways were discovered: ` +
        inWords([...guessed]),
    );
  }
  return found.size === 0 ? undefined : [...found];
}

/** Listed as it is, it would let in all that fits it; within braces it is a part of a template. */
function isPattern(name: string): boolean {
  return name.replace(/\{[^{}]*\}/g, "").includes("*");
}

/**
 * What discovery may call it. The document has no tools of gateways, only their names there: the
 * gateway's slug, and the tool's name with all underscores as dashes.
 */
function guesses(reference: string, { gatewaySlugs, separator }: World): readonly string[] {
  if (reference.length > LIMITS.itemNameBytes) return [];
  const ends = [...reference.matchAll(/[-_.]{1,2}/g)].reverse();
  for (const { 0: between, index } of ends) {
    const slug = gatewaySlugs.get(reference.slice(0, index));
    const name = reference.slice(index + between.length);
    if (slug === undefined || name === "") continue;
    return [name, name.replaceAll("-", "_")].map((one) =>
      exposedName(slug, separator, one, () => false)
    );
  }
  return [];
}
