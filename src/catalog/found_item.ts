/**
 * One element of an upstream server's list: an item that can be shown, or why it cannot.
 *
 * In `/mcp` the items of many servers stand in one list, and clients that check what they get
 * refuse a list as a whole: one element that is not as the specification says would take away all
 * the others.
 *
 * @module
 * @see MCP 2026-07-28, Schema, `Tool`, `Prompt`, `Resource`, `ResourceTemplate`
 */
import { Buffer } from "node:buffer";
import type { ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import { flawOfHeaders } from "./header_annotations.ts";
import type { Listed } from "./reader.ts";

export interface FoundItem {
  /** As the upstream server knows it. */
  readonly name: string;
  /** JSON text of one object, on one line. */
  readonly definition: string;
}

export interface FlawedItem {
  readonly name: string;
  readonly flaw: string;
}

/** @param isStateless whether it was found in the era in which arguments become headers */
export function foundItem(
  kind: ItemKind,
  listed: Listed,
  isStateless: boolean,
): FoundItem | FlawedItem {
  if ("flaw" in listed) return listed;
  const value: unknown = JSON.parse(listed.text);
  if (!isObject(value)) return { name: "", flaw: "It is not an object" };
  const member = NAME_MEMBERS[kind];
  const name = value[member];
  if (typeof name !== "string") return { name: "", flaw: `"${member}" is not a text` };
  const flaw = flawOfName(name, member) ?? flawOfMembers(kind, value) ??
    (kind === "tool" && isStateless ? flawOfHeaders(value.inputSchema) : undefined);
  return flaw === undefined ? { name, definition: listed.text } : { name, flaw };
}

/** The member by which clients ask for an item. */
const NAME_MEMBERS: Readonly<Record<ItemKind, string>> = {
  tool: "name",
  prompt: "name",
  resource: "uri",
  template: "uriTemplate",
};

function flawOfName(name: string, member: string): string | undefined {
  if (name === "") return `"${member}" is empty`;
  if (Buffer.byteLength(name) > LIMITS.itemNameBytes) {
    return `"${member}" is longer than ${LIMITS.itemNameBytes} bytes`;
  }
  // Neither survives being stored or sent: what came back would be another name.
  if (!name.isWellFormed() || name.includes("\0")) {
    return `"${member}" holds characters that cannot be sent`;
  }
  return undefined;
}

function flawOfMembers(kind: ItemKind, value: Members): string | undefined {
  for (const [member, { isRight, what, isRequired }] of MEMBERS[kind]) {
    const given = Object.hasOwn(value, member) ? value[member] : undefined;
    if (given === undefined && !isRequired) continue;
    if (!isRight(given)) return `"${member}" is not ${what}`;
  }
  return undefined;
}

interface MemberRule {
  readonly isRight: (value: unknown) => boolean;
  readonly what: string;
  readonly isRequired?: boolean;
}

const text: MemberRule = { isRight: (value) => typeof value === "string", what: "a text" };
const object: MemberRule = { isRight: isObject, what: "an object" };
const list: MemberRule = { isRight: areObjects, what: "a list of objects" };
const schema: MemberRule = {
  isRight: (value) => isObject(value) && value.type === "object",
  what: 'a schema of type "object"',
  isRequired: true,
};
const argumentList: MemberRule = {
  isRight: (value) => areObjects(value) && value.every(({ name }) => typeof name === "string"),
  what: "a list of objects with names",
};

type Rules = readonly (readonly [member: string, rule: MemberRule])[];

const COMMON: Rules = [["title", text], ["description", text], ["_meta", object], ["icons", list]];
const OF_RESOURCES: Rules = [
  ...COMMON,
  ["name", { ...text, isRequired: true }],
  ["mimeType", text],
  ["annotations", object],
];

const MEMBERS: Readonly<Record<ItemKind, Rules>> = {
  tool: [
    ["inputSchema", schema],
    ...COMMON,
    ["outputSchema", object],
    ["annotations", object],
    ["execution", object],
  ],
  prompt: [...COMMON, ["arguments", argumentList]],
  resource: [
    ...OF_RESOURCES,
    ["size", { isRight: (value) => typeof value === "number", what: "a number" }],
  ],
  template: OF_RESOURCES,
};

type Members = Readonly<Record<string, unknown>>;

function areObjects(value: unknown): value is readonly Members[] {
  return Array.isArray(value) && value.every(isObject);
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
