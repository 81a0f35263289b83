/**
 * `/api/tools`: so far those that were discovered.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ItemService } from "../../catalog/item_service.ts";
import { createItemOperations, itemChange } from "./items.ts";
import type { Operation } from "./operation.ts";
import { itemName } from "./server_schemas.ts";

export function createToolOperations(items: ItemService): readonly Operation[] {
  return createItemOperations(items, {
    plural: "tools",
    schema: "Tool",
    kinds: ["tool"],
    change: z.strictObject({ name: itemName.nullish(), ...itemChange }).openapi("ToolChange"),
  });
}
