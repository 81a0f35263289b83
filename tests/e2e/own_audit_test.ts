/**
 * Calls of the gateway's own tools, prompts and resources are in the audit as those of servers are,
 * and whose they are is said there.
 *
 * @module
 * @see security.md, AUD-01, AUTHZ-09; `docs/audit.md`
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { AuditRecord } from "../../src/events/audit.ts";
import { openFolder } from "../../src/platform/folder.ts";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import { adminToken } from "../support/api_client.ts";
import { auditRecords } from "../support/audit_world.ts";
import { freePort } from "../support/free_port.ts";
import { inBothEras } from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const NOTE = { uri: "note://a", name: "A", text: "one" };
const TEMPLATE = { uriTemplate: "page://{x}", name: "P", text: "{{x}}" };
const PROMPT = {
  name: "greet",
  messages: [{ role: "user", content: { type: "text", text: "Hello" } }],
};

/** Records of these actions, once there are so many. */
async function recorded({ dataDir }: ApiWorld, action: string, count: number) {
  const found = (): readonly AuditRecord[] =>
    auditRecords(openFolder(`${dataDir}/audit`)).filter((one) => one.action === action);
  return await until(`${count} of ${action}`, () => found().length >= count && found());
}

inBothEras("AUD-01: calls of own items are recorded with what they are about", async (open) => {
  await using world = await openApiWorld();
  // Nobody listens there.
  const url = `http://127.0.0.1:${freePort()}/`;
  const inputSchema = { type: "object" };
  await world.api.must("POST", "/tools", { name: "lost", url, method: "GET", inputSchema });
  await world.api.must("POST", "/prompts", PROMPT);
  await world.api.must("POST", "/resources", NOTE);
  await world.api.must("POST", "/resources", TEMPLATE);
  await using client = await open(world);
  await client.ask("tools/call", { name: "lost", arguments: {} });
  await client.ask("prompts/get", { name: "greet" });
  await client.ask("resources/read", { uri: "note://a" });
  await client.ask("resources/read", { uri: "page://7" });
  const facts = ({ method, name, endpoint, upstream }: AuditRecord) =>
    [method, name, endpoint, upstream].join(" ");
  const starts = await recorded(world, "call.start", 4);
  const ends = await recorded(world, "call.end", 4);
  assertEquals(starts.map(facts), [
    "tools/call lost /mcp .own",
    "prompts/get greet /mcp .own",
    "resources/read note://a /mcp .own",
    "resources/read page://7 /mcp .own",
  ]);
  assertEquals(ends.map(facts), starts.map(facts));
  assertEquals(ends.map(({ outcome }) => outcome), ["tool_error", "ok", "ok", "ok"]);
});

inBothEras("AUTHZ-09: whose private item is used, and hidden ones, is said", async (open) => {
  await using world = await openApiWorld();
  await haveTeams(world.origin, { red: ["ann@example.com", "bob@example.com"] });
  const token = (sub: string) => mintToken({ sub, teams: ["red"] });
  const ann = await token("ann@example.com");
  const { json } = await world.api.call("POST", "/resources", { body: NOTE, token: ann });
  assertEquals(json.visibility, "private");
  for (const one of [ann, await adminToken(), await token("bob@example.com")]) {
    await using client = await open(world, { token: one });
    await client.ask("resources/read", { uri: "note://a" });
  }
  const ends = await recorded(world, "call.end", 3);
  assertEquals(ends.map(({ access, outcome }) => [access, outcome]), [
    [undefined, "ok"],
    ["admin", "ok"],
    ["hidden", "error"],
  ]);
});

Deno.test("AUTHZ-09: an administrator who reads or changes somebody's item is in the audit", async () => {
  await using world = await openApiWorld();
  await haveTeams(world.origin, { red: ["ann@example.com"] });
  const token = await mintToken({ sub: "ann@example.com", teams: ["red"] });
  const made = await world.api.call("POST", "/resources", { body: NOTE, token });
  const path = `/resources/${made.json.id}`;
  await world.api.call("GET", path, { token });
  await world.api.must("GET", path);
  await world.api.must("PATCH", path, { text: "two" });
  const facts = ({ subject, name, access }: AuditRecord) => [subject, name, access];
  const about = ["root@example.com", made.json.id, "admin"];
  assertEquals((await recorded(world, "admin.read", 1)).map(facts), [about]);
  // A team, its member, the resource, and its change.
  const ends = await recorded(world, "admin.end", 4);
  assertEquals(ends.slice(3).map(facts), [about]);
});
