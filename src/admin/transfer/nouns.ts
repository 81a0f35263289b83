/**
 * The nouns of the API by the kinds of their items.
 *
 * @module
 */
import type { ItemKind } from "../../domain/item.ts";
import type { ItemNoun } from "../api/items.ts";
import { PROMPTS } from "../api/prompts.ts";
import { RESOURCES } from "../api/resources.ts";
import { type ToolDeps, toolNoun } from "../api/tools.ts";

export type Nouns = readonly ItemNoun[];

export function createNouns(deps: Pick<ToolDeps, "schemaFault">): Nouns {
  return [toolNoun(deps), PROMPTS, RESOURCES];
}

export function nounOf(nouns: Nouns, kind: ItemKind): ItemNoun {
  return nouns.find(({ kinds }) => kinds.includes(kind))!;
}
