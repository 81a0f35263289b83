/**
 * `/api/resources`: resources and resource templates, the gateway's own and those that were
 * discovered.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
import { z } from "@hono/zod-openapi";
import type { Fault } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { OwnContents, OwnSpec } from "../../domain/own_item.ts";
import { parseUriTemplate } from "../../domain/uri_template.ts";
import {
  annotations,
  argumentValues,
  base64,
  doubleFaults,
  listed,
  mimeType,
  part,
  refuse,
  text,
  textFaults,
  uri,
} from "./contents.ts";
import { checkedBy } from "./input.ts";
import { createItemOperations, type ItemDeps, type ItemNoun, type Members } from "./items.ts";
import type { Operation } from "./operation.ts";
import { line, lines } from "./schemas.ts";

const completion = z.strictObject({ name: line(256), values: argumentValues.optional() });

export const resourceMembers = {
  uri: uri.optional(),
  uriTemplate: z.string().max(LIMITS.itemNameBytes).optional().openapi({
    description: "RFC 6570; in place of uri",
  }),
  name: line(256),
  mimeType: mimeType.optional(),
  annotations: annotations.optional(),
  ...listed,
  text: text.optional().openapi({
    description: "of a template: Mustache, without escaping, with its variables",
  }),
  blob: base64.optional().openapi({ description: "in place of text" }),
  contents: z.array(part).min(1).max(LIMITS.ownContents).optional().openapi({
    description: "in place of text and blob: several parts",
  }),
  arguments: z.array(completion).max(LIMITS.ownArguments).optional().openapi({
    description: "of a template: completions of its variables",
  }),
};

const whole = z.strictObject({
  ...resourceMembers,
  title: line(256).optional(),
  description: lines(8192).optional(),
});
type Given = z.output<typeof whole>;

export function createResourceOperations(deps: ItemDeps): readonly Operation[] {
  return createItemOperations(deps, RESOURCES);
}

export const RESOURCES: ItemNoun = {
  plural: "resources",
  schema: "Resource",
  kinds: ["resource", "template"],
  // One that was discovered is found by its URI, which stays; aliases are given when needed.
  discovered: [],
  members: resourceMembers,
  either: ["text", "blob", "contents"],
  specOf: (given, known) => resourceFrom(checkedBy(whole, given, "body"), known),
  membersOf,
};

function resourceFrom(given: Given, known: OwnSpec | undefined): OwnSpec {
  const { uri, uriTemplate, text, blob, contents, arguments: args = [], ...rest } = given;
  refuse([
    ...oneOf({ uri, uriTemplate }),
    ...oneOf({ text, blob, contents }),
    ...kindFaults(given, known),
  ]);
  const { mimeType } = given;
  const parts: readonly OwnContents[] = contents ?? [{ mimeType, text, blob }];
  if (uri !== undefined) return { kind: "resource", uri, ...rest, contents: parts };
  refuse(templateFaults(uriTemplate!, given, parts));
  return {
    kind: "template",
    uriTemplate: uriTemplate!,
    ...rest,
    arguments: args,
    contents: parts,
  };
}

function oneOf(members: Members): readonly Fault[] {
  const names = Object.keys(members);
  if (names.filter((name) => members[name] !== undefined).length === 1) return [];
  return [{ path: names[0]!, message: `exactly one is needed of ${names.join(", ")}` }];
}

function kindFaults(given: Given, known: OwnSpec | undefined): readonly Fault[] {
  const isUri = given.uri !== undefined;
  const faults: Fault[] = [];
  if (known !== undefined && isUri !== (known.kind === "resource")) {
    const path = isUri ? "uri" : "uriTemplate";
    faults.push({ path, message: "a resource cannot become a template, nor the other way round" });
  }
  if (isUri && given.arguments !== undefined) {
    faults.push({ path: "arguments", message: "only a template has variables" });
  }
  return faults;
}

function templateFaults(
  uriTemplate: string,
  { contents, arguments: args = [] }: Given,
  parts: readonly OwnContents[],
): readonly Fault[] {
  const template = parseUriTemplate(uriTemplate);
  if (template === undefined || template.variables.length === 0) {
    return [{ path: "uriTemplate", message: "must be a URI template (RFC 6570) with variables" }];
  }
  const { variables } = template;
  const names = args.map(({ name }) => name);
  const unknown = names.flatMap((name, i) =>
    variables.includes(name)
      ? []
      : [{ path: `arguments.${i}.name`, message: "is no variable of the template" }]
  );
  const texts = parts.map(({ text }, i) => ({
    path: contents === undefined ? "text" : `contents.${i}.text`,
    text,
  }));
  return [...doubleFaults(names), ...unknown, ...textFaults(texts, variables)];
}

/** One part of its own type is shown as it was given. */
function membersOf(spec: OwnSpec): Members {
  if (!("contents" in spec)) return {};
  const { kind: _, contents, ...members } = spec;
  const [first] = contents;
  const { text, blob, ...more } = first!;
  const isPlain = contents.length === 1 && more.uri === undefined && more._meta === undefined &&
    more.mimeType === spec.mimeType;
  return { ...members, ...isPlain ? { text, blob } : { contents } };
}
