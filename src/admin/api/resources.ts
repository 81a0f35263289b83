/**
 * `/api/resources`: resources and resource templates, so far those that were discovered.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ItemService } from "../../catalog/item_service.ts";
import { createItemOperations, itemChange } from "./items.ts";
import type { Operation } from "./operation.ts";

export function createResourceOperations(items: ItemService): readonly Operation[] {
  return createItemOperations(items, {
    plural: "resources",
    schema: "Resource",
    kinds: ["resource", "template"],
    // A resource is found by its URI, which stays; its aliases are given when they are needed.
    change: z.strictObject(itemChange).openapi("ResourceChange"),
  });
}
