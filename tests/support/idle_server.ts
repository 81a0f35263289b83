/**
 * A program with one server of the session era, which never says anything by itself.
 *
 * @module
 */
import { startShelfServer } from "./shelf_server.ts";

const { url } = startShelfServer().stand("idle", {
  tools: [{ name: "t", inputSchema: { type: "object" } }],
  era: "session",
});
console.log(`Listening on ${url}`);
