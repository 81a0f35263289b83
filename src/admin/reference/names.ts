/**
 * Names that the entries of the reference system's document get here: names of that system may hold
 * anything, and stand for several entries of different teams.
 *
 * @module
 * @see contract.md, section 8, "Names and records"
 */
import { itemName } from "../api/server_schemas.ts";
import { isSlug, slugOf } from "../../domain/server.ts";
import { type Entry, NotTaken } from "./entry.ts";

/** Gives each what is wanted, or the same numbered from 2 where that is taken. */
export interface Space {
  readonly take: (wanted: string) => string;
}

export function createSpace(separator: string, charsMax: number): Space {
  const taken = new Set<string>();
  const numbers = new Map<string, number>();
  return {
    take(wanted) {
      let name = wanted.slice(0, charsMax);
      // From the last number on: ten thousand entries may have one name.
      for (let i = numbers.get(wanted) ?? 2; taken.has(name); i++) {
        const end = `${separator}${i}`;
        name = wanted.slice(0, charsMax - end.length) + end;
        numbers.set(wanted, i + 1);
      }
      taken.add(name);
      return name;
    },
  };
}

/** Upstream servers and virtual servers share one. */
export const SLUG_CHARS_MAX = 128;
export const ITEM_CHARS_MAX = 64;

/**
 * @param own that the document has, for names without a letter that can stand in a URL
 * @throws {NotTaken}
 */
export function slugFor(name: string, own: string | undefined): string {
  const slug = [slugOf(name), own ?? ""].find(isSlug);
  if (slug === undefined) {
    throw new NotTaken("Its name cannot stand in a URL: it needs letters or digits, at most 128");
  }
  return slug;
}

const NAME_CHARS_READ = 1024;

/** What clients take as the name of a tool or prompt. @throws {NotTaken} */
export function itemNameFor(name: string): string {
  if (itemName.safeParse(name).success) return name;
  // Longer ones are cut anyway.
  const plain = name.slice(0, NAME_CHARS_READ).replace(/[^A-Za-z0-9_./-]+/g, "_").replace(
    /^_+|_+$/g,
    "",
  );
  if (plain === "") throw new NotTaken("Its name has no letter or digit of A-Z, a-z, 0-9");
  return plain.slice(0, ITEM_CHARS_MAX);
}

/** As whoever made it called it; `name` may be what was made of that. @throws {NotTaken} */
export function ownName(entry: Entry): string {
  const name = [entry.text("custom_name"), entry.text("original_name"), entry.text("name")]
    .find((one) => one !== undefined);
  if (name === undefined) throw new NotTaken('It has no "name"');
  return name;
}
