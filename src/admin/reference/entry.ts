/**
 * One entry of the reference system's export document, read member by member. Versions of that system
 * spell members in two ways, `input_schema` and `inputSchema`: both are read.
 *
 * What nobody has asked for by the end is what the entry becomes nothing of, see `left`.
 *
 * @module
 * @see reference/behaviour.md, section 10.1
 */
import { isBoundedJson } from "../../domain/json_bounds.ts";
import { LIMITS } from "../../domain/limits.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Why an entry becomes nothing: one sentence without a full stop, without any value of it. */
export class NotTaken extends Error {
  override readonly name = "NotTaken";
}

/** Names are given in snake case. A member that is null, or an empty text, is not there. */
export interface Entry {
  /** @throws {NotTaken} when it is no text, number or boolean, as all below */
  readonly text: (name: string) => string | undefined;
  readonly number: (name: string) => number | undefined;
  readonly flag: (name: string) => boolean | undefined;
  readonly object: (name: string) => Json | undefined;
  readonly list: (name: string) => readonly unknown[] | undefined;
  /** Whatever it is. */
  readonly any: (name: string) => unknown;
  /** The same, and does not count as asking for it. */
  readonly peek: (name: string) => unknown;
  /** Names of members that hold something, and that nobody has asked for. */
  readonly left: () => readonly string[];
}

/** @throws {NotTaken} for what is no object, or more than can be walked through */
export function entryOf(value: unknown): Entry {
  if (!isObject(value)) throw new NotTaken("It is not an object");
  if (!isBoundedJson(value, { depth: LIMITS.jsonDepth, nodes: LIMITS.jsonNodes })) {
    throw new NotTaken("It is nested too deeply, or too large");
  }
  // Readers pass such a member over in silence, and careless ones take it for more than a name.
  if (JSON.stringify(value).includes('"__proto__":')) {
    throw new NotTaken('It has a member that is called "__proto__"');
  }
  return readerOf(value);
}

function readerOf(value: Json): Entry {
  const asked = new Set<string>();
  const find = (name: string): unknown => {
    const spelled = [name, camelCased(name)].find((one) => isThere(value, one));
    return spelled === undefined ? undefined : value[spelled];
  };
  const any = (name: string): unknown => {
    asked.add(name).add(camelCased(name));
    return find(name);
  };
  function typed<T>(name: string, isRight: (value: unknown) => value is T, what: string) {
    const found = any(name);
    if (found === undefined || isRight(found)) return found;
    throw new NotTaken(`Its "${name}" is not ${what}`);
  }
  return {
    any,
    text: (name) => typed(name, isText, "a text"),
    number: (name) => typed(name, isNumber, "a number"),
    flag: (name) => typed(name, isFlag, "true or false"),
    object: (name) => typed(name, isObject, "an object"),
    list: (name) => typed(name, isList, "a list"),
    peek: find,
    left: () =>
      Object.keys(value).filter((name) =>
        !asked.has(name) && !BOOKKEEPING.test(snakeCased(name)) && holdsSomething(value[name])
      ),
  };
}

/** A name for reports, of anything. */
export function shownName(value: unknown): string {
  if (!isObject(value)) return "";
  const found = ["name", "original_name", "originalName", "uri", "email"]
    .map((member) => Object.hasOwn(value, member) ? value[member] : undefined)
    .find((text) => isText(text) && text !== "");
  return shown(found);
}

const SHOWN_CHARS_MAX = 200;

/** One line of it, at most 200 characters. */
export function shown(text: unknown): string {
  if (!isText(text)) return "";
  return text.slice(0, SHOWN_CHARS_MAX).toWellFormed().replace(/\p{Cc}+/gu, " ");
}

/** Whom it came from, when, and how it fared: nothing that a configuration consists of. */
const BOOKKEEPING = new RegExp(
  "^(?:id|slug|version|import_batch_id|federation_source|federation_enabled|reachable|" +
    "status|size|capabilities|health_check|execution_count|metrics.*|created_.*|updated_.*|" +
    "modified_.*|last_.*|expose_passthrough|.*_slug|.*_endpoint|original_.*|team|team_name|owner.*|gateway.*|" +
    ".*masked|_?sig|signing_algorithm|auth.*|oauth_client.*)$",
);

function isThere(value: Json, name: string): boolean {
  return Object.hasOwn(value, name) && value[name] !== null && value[name] !== "";
}

export function holdsSomething(value: unknown): boolean {
  if (isObject(value)) return Object.values(value).some(holdsSomething);
  return isList(value) ? value.length > 0 : Boolean(value);
}

function camelCased(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function snakeCased(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function isFlag(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
