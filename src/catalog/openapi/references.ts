/**
 * References in an OpenAPI document: only those that stay in it are followed.
 *
 * @module
 * @see RFC 6901; security.md, SSRF-11
 */
import { isMembers, type Members } from "./document.ts";

/** What an operation asks for and a tool cannot do. */
export class Inexpressible extends Error {
  override readonly name = "Inexpressible";
}

export interface References {
  /**
   * What stands at the end of a chain of references; the value itself when it is none.
   * @throws {Inexpressible} when that is not in the document
   */
  readonly resolve: (value: unknown) => unknown;
  /** @throws as `resolve` */
  readonly target: (pointer: string) => unknown;
  /** Whether what it refers to refers to itself. */
  readonly isRecursive: (pointer: string) => boolean;
}

export function createReferences(root: Members): References {
  const targets = new Map<string, unknown>();
  const direct = new Map<string, readonly string[]>();
  const recursive = new Map<string, boolean>();

  function target(pointer: string): unknown {
    if (!targets.has(pointer)) targets.set(pointer, found(root, pointer));
    const value = targets.get(pointer);
    if (value === undefined) throw missing(pointer);
    return value;
  }

  function resolve(value: unknown): unknown {
    let current = value;
    for (let i = 0; i < CHAIN_MAX; i++) {
      const pointer = pointerOf(current);
      if (pointer === undefined) return current;
      current = target(pointer);
    }
    throw new Inexpressible(`A reference leads in a circle: ${quoted(pointerOf(value)!)}`);
  }

  function directOf(pointer: string): readonly string[] {
    let list = direct.get(pointer);
    if (list === undefined) direct.set(pointer, list = pointersIn(found(root, pointer)));
    return list;
  }

  function isRecursive(pointer: string): boolean {
    let known = recursive.get(pointer);
    if (known !== undefined) return known;
    const seen = new Set<string>();
    const open = [...directOf(pointer)];
    for (let next = open.pop(); next !== undefined && !seen.has(pointer); next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...directOf(next));
    }
    recursive.set(pointer, known = seen.has(pointer));
    return known;
  }

  return { resolve, target, isRecursive };
}

const CHAIN_MAX = 20;

/** The `$ref` of a value, if it has one. */
export function pointerOf(value: unknown): string | undefined {
  return isMembers(value) && typeof value.$ref === "string" ? value.$ref : undefined;
}

function found(root: Members, pointer: string): unknown {
  if (pointer !== "#" && !pointer.startsWith("#/")) return undefined;
  let value: unknown = root;
  for (const part of pointer.split("/").slice(1)) {
    const name = unescaped(part);
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Members)[name];
  }
  return value;
}

function unescaped(part: string): string {
  return decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function missing(pointer: string): Inexpressible {
  const where = pointer.startsWith("#") ? "is not in the document" : "leads out of the document";
  return new Inexpressible(`A reference ${where}: ${quoted(pointer)}`);
}

function pointersIn(value: unknown): string[] {
  const pointers = new Set<string>();
  for (const open = [value]; open.length > 0;) {
    const each = open.pop();
    if (typeof each !== "object" || each === null) continue;
    const pointer = pointerOf(each);
    if (pointer !== undefined) pointers.add(pointer);
    open.push(...Object.values(each));
  }
  return [...pointers];
}

export function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed().slice(0, 200));
}
