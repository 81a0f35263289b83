/**
 * `/api/tools`: so far those that were discovered.
 *
 * @module
 */
import { createItemOperations, type ItemDeps } from "./items.ts";
import type { Operation } from "./operation.ts";
import { itemName } from "./server_schemas.ts";

export function createToolOperations(deps: ItemDeps): readonly Operation[] {
  return createItemOperations(deps, {
    plural: "tools",
    schema: "Tool",
    kinds: ["tool"],
    discovered: ["name"],
    members: { name: itemName },
    either: [],
    specOf: () => {
      throw new Error("Not yet");
    },
    membersOf: () => ({}),
  });
}
