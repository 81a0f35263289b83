/**
 * Prompts of the reference system.
 *
 * @module
 * @see reference/behaviour.md, section 5.2
 */
import { audienceOf } from "./audience.ts";
import { type Entry, isObject, isText, NotTaken } from "./entry.ts";
import { gatewayOf, takeOffered } from "./items.ts";
import { promptOfJinja } from "./jinja.ts";
import { itemNameFor, ownName } from "./names.ts";
import type { OwnNotes } from "./notes.ts";
import { referencesTo } from "./register.ts";
import { descriptionOf, metaOf, titleOf } from "./texts.ts";
import { fitting, isOff, type World } from "./world.ts";

export function takePrompt(world: World, entry: Entry, notes: OwnNotes): void {
  const given = ownName(entry);
  const gateway = gatewayOf(world, entry);
  if (gateway !== undefined) {
    const upstreamName = entry.text("original_name") ?? given;
    return takeOffered(world, gateway, { kind: "prompt", upstreamName }, entry, notes);
  }
  const wanted = itemNameFor(given);
  const template = entry.text("template") ?? entry.text("content");
  if (template === undefined || template.trim() === "") {
    throw new NotTaken("It has no template: what a gateway offers is found again at that gateway");
  }
  const { messages, names } = promptOfJinja(template);
  if (messages.length === 0) throw new NotTaken("Its template has no text");
  const prompt = fitting(world, "prompts", {
    name: wanted,
    title: titleOf(entry, given),
    _meta: metaOf(entry),
    description: descriptionOf(entry, notes),
    arguments: argumentsOf(entry, names),
    messages: messages.map(({ role, text }) => ({ role, content: { type: "text", text } })),
    enabled: isOff(entry) ? false : undefined,
    ...audienceOf(entry, world.teams.find, notes),
  });
  const name = world.promptNames.take(wanted);
  if (name !== given) notes.lost(`Its name is "${name}" here`);
  world.lists.prompts.push({ ...prompt, name });
  world.prompts.add(referencesTo(entry), name);
}

interface Argument {
  readonly name: string;
  readonly description?: string;
  readonly required?: boolean;
  readonly values?: string[];
}

/** Those that are declared, as a list or as a schema, and others that the text has places for. */
function argumentsOf(entry: Entry, names: ReadonlySet<string>): Argument[] | undefined {
  const listed = (entry.list("arguments") ?? []).filter(isObject).map(argumentOf);
  const schema = ["input_schema", "argument_schema"].map(entry.object)
    .find((one) => one !== undefined);
  const properties = isObject(schema?.properties) ? schema.properties : {};
  const required = Array.isArray(schema?.required) ? schema.required : [];
  const described = Object.entries(properties).map(([name, one]) =>
    argumentOf({ ...isObject(one) ? one : {}, name, required: required.includes(name) })
  );
  const declared = listed.length > 0 ? listed : described;
  const known = new Set(declared.map(({ name }) => name));
  if (known.size < declared.length) throw new NotTaken("Two of its arguments have one name");
  const others = [...names].filter((name) => !known.has(name)).map((name) => ({ name }));
  const all = [...declared, ...others];
  return all.length === 0 ? undefined : all;
}

function argumentOf(given: Readonly<Record<string, unknown>>): Argument {
  const { name, description, required } = given;
  if (!isText(name)) throw new NotTaken("One of its arguments has no name");
  const values = (Array.isArray(given.enum) ? given.enum : []).filter(isText);
  return {
    name,
    ...isText(description) && description !== "" && { description },
    ...required === true && { required },
    ...values.length > 0 && { values },
  };
}
