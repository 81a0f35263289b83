/**
 * `/api/prompts`: the gateway's own, and those that were discovered.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import type { OwnPrompt } from "../../domain/own_item.ts";
import {
  argumentName,
  argumentValues,
  content,
  doubleFaults,
  listed,
  refuse,
  textFaults,
} from "./contents.ts";
import { checkedBy } from "./input.ts";
import { createItemOperations, type ItemDeps, type ItemNoun, type Members } from "./items.ts";
import type { Operation } from "./operation.ts";
import { line, lines } from "./schemas.ts";
import { itemName } from "./server_schemas.ts";

const argument = z.strictObject({
  name: argumentName,
  title: line(256).optional(),
  description: lines(8192).optional(),
  required: z.boolean().optional(),
  values: argumentValues.optional(),
});

export const promptMembers = {
  name: itemName,
  ...listed,
  arguments: z.array(argument).max(LIMITS.ownArguments).optional(),
  messages: z.array(z.strictObject({ role: z.enum(["user", "assistant"]), content })).min(1)
    .max(LIMITS.ownMessages).openapi({
      description: "texts are Mustache, without escaping, with the arguments as variables",
    }),
};

const whole = z.strictObject({
  ...promptMembers,
  title: line(256).optional(),
  description: lines(8192).optional(),
});

export function createPromptOperations(deps: ItemDeps): readonly Operation[] {
  return createItemOperations(deps, PROMPTS);
}

export const PROMPTS: ItemNoun = {
  plural: "prompts",
  schema: "Prompt",
  kinds: ["prompt"],
  discovered: ["name"],
  members: promptMembers,
  either: [],
  specOf: promptFrom,
  membersOf: ({ kind: _, ...members }) => members,
};

function promptFrom(given: Members): OwnPrompt {
  const { arguments: args = [], messages, ...rest } = checkedBy(whole, given, "body");
  const names = args.map(({ name }) => name);
  const texts = messages.map(({ content }, i) =>
    content.type === "resource"
      ? { path: `messages.${i}.content.resource.text`, text: content.resource.text }
      : {
        path: `messages.${i}.content.text`,
        text: content.type === "text" ? content.text : undefined,
      }
  );
  refuse([...doubleFaults(names), ...textFaults(texts, names)]);
  return { kind: "prompt", ...rest, arguments: args, messages };
}
