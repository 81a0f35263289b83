/**
 * Who may see a single item, where that are fewer than see its server.
 *
 * A version before this one neither reads nor writes the columns: what it keeps of an item leaves
 * them as they are.
 *
 * @module
 */
import type { Migration } from "../migrate.ts";

export const itemAudienceMigration: Migration = {
  name: "0003_item_audience",
  async up(db) {
    for (const column of ["visibility", "team_id", "owner"]) {
      await db.schema.alterTable("items").addColumn(column, "text").execute();
    }
  },
};
