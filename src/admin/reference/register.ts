/**
 * What the entries of the reference system's document are referred to by: virtual servers name their
 * parts by id in one version and by one of several names in others.
 *
 * @module
 * @see reference/behaviour.md, sections 6.4 and 6.5
 */
import { slugOf } from "../../domain/server.ts";
import type { Entry } from "./entry.ts";

export interface Register<T> {
  /** @param references the most certain first: id, then names */
  readonly add: (references: readonly (string | undefined)[], thing: T) => void;
  /** `undefined` also where it could be several. */
  readonly find: (reference: string) => T | undefined;
}

const SEVERAL = Symbol("several");

export function createRegister<T>(): Register<T> {
  const tiers: Map<string, T | typeof SEVERAL>[] = [];
  return {
    add(references, thing) {
      references.forEach((reference, i) => {
        if (reference === undefined || reference === "") return;
        const tier = tiers[i] ??= new Map();
        const known = tier.get(reference);
        tier.set(reference, known === undefined || known === thing ? thing : SEVERAL);
      });
    },
    find(reference) {
      const found = tiers.map((tier) => tier?.get(reference)).find((one) => one !== undefined);
      return found === SEVERAL ? undefined : found;
    },
  };
}

/** Of a tool, prompt or gateway; asks for none of its members. */
export function referencesTo(entry: Entry): readonly (string | undefined)[] {
  const [id, name, original, custom, slug] = [
    "id",
    "name",
    "original_name",
    "custom_name",
    "slug",
  ].map((member) => referenceOf(entry.peek(member)));
  return [id, name, original, custom, slug, name && slugOf(name), custom && slugOf(custom)];
}

/** Ids are numbers in some versions; some write the whole thing. */
export function referenceOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null) return undefined;
  const { id, name, uri } = value as Readonly<Record<string, unknown>>;
  return [id, name, uri].map((one) => typeof one === "object" ? undefined : referenceOf(one))
    .find((one) => one !== undefined);
}
