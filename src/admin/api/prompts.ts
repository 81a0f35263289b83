/**
 * `/api/prompts`: so far those that were discovered.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ItemService } from "../../catalog/item_service.ts";
import { createItemOperations, itemChange } from "./items.ts";
import type { Operation } from "./operation.ts";
import { itemName } from "./server_schemas.ts";

export function createPromptOperations(items: ItemService): readonly Operation[] {
  return createItemOperations(items, {
    plural: "prompts",
    schema: "Prompt",
    kinds: ["prompt"],
    change: z.strictObject({ name: itemName.nullish(), ...itemChange }).openapi("PromptChange"),
  });
}
