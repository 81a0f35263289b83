/**
 * What clients hear of the gateway's own prompts and resources: edits of what they subscribe to, and
 * that their lists have changed; in both eras, and nothing of what they do not see.
 *
 * @module
 * @see contract.md, section 8, "Permissions" and "Prompts, resources, completion"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import { type Message, modernBytes } from "../support/modern.ts";
import { openRaw, statusOf } from "../support/open_reply.ts";
import { eventsIn, messagesIn } from "../support/session_client.ts";
import { type EraClient, ERAS, inBothEras, namesOf } from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const UPDATED = "notifications/resources/updated";
const NOTE = { uri: "note://a", name: "A", text: "one" };
const PROMPT = {
  name: "greet",
  messages: [{ role: "user", content: { type: "text", text: "Hello" } }],
};

/** The updates that a client hears which subscribes to these. */
async function subscribed(world: ApiWorld, era: "session" | "modern", uris: string[]) {
  if (era === "session") {
    const client = await ERAS.session(world);
    const stream = await client.session!.listen();
    await statusOf(stream);
    for (const uri of uris) await client.ask("resources/subscribe", { uri });
    return { ...heard(() => messagesIn(stream.events())), client };
  }
  const notifications = { resourceSubscriptions: uris, promptsListChanged: true };
  const stream = await openRaw(
    world.origin,
    modernBytes(world.origin, {
      method: "subscriptions/listen",
      params: { notifications },
      token: await mintToken(),
    }),
  );
  await until("the acknowledgement", () => stream.text().includes("acknowledged"));
  return {
    ...heard(() => messagesIn(eventsIn(stream.text()))),
    client: { [Symbol.asyncDispose]: () => Promise.resolve(stream.close()) },
  };
}

function heard(messages: () => readonly Message[]) {
  return {
    said: (method: string) => messages().filter((one) => one.method === method),
    updates: () =>
      messages().filter(({ method }) => method === UPDATED)
        .map(({ params }) => (params as Message).uri),
  };
}

for (const era of ["session", "modern"] as const) {
  Deno.test(`an edit of a resource reaches who subscribes to it (${era})`, async () => {
    await using world = await openApiWorld();
    const { json } = await world.api.must("POST", "/resources", NOTE);
    await world.api.must("POST", "/resources", { ...NOTE, uri: "note://b" });
    const { updates, client } = await subscribed(world, era, ["note://a"]);
    await using _ = client;
    await world.api.must("PATCH", `/resources/${json.id}`, { text: "two" });
    await until("the update", () => updates().length > 0);
    assertEquals(updates(), ["note://a"]);
  });

  Deno.test(`an edit of a template reaches who subscribes to what it gives (${era})`, async () => {
    await using world = await openApiWorld();
    const { json } = await world.api.must("POST", "/resources", {
      uriTemplate: "note://{x}",
      name: "T",
      text: "{{x}}",
    });
    const { updates, client } = await subscribed(world, era, ["note://1"]);
    await using _ = client;
    await world.api.must("PATCH", `/resources/${json.id}`, { text: "<{{x}}>" });
    await until("the update", () => updates().length > 0);
    assertEquals(updates(), ["note://1"]);
  });

  Deno.test(`that there is another prompt is told (${era})`, async () => {
    await using world = await openApiWorld();
    const { said, client } = await subscribed(world, era, []);
    await using _ = client;
    await world.api.must("POST", "/prompts", PROMPT);
    await until("the change", () => said("notifications/prompts/list_changed").length > 0);
  });
}

Deno.test("many edits are at least one update, and the last is not missed", async () => {
  await using world = await openApiWorld();
  const { json } = await world.api.must("POST", "/resources", NOTE);
  const { updates, client } = await subscribed(world, "modern", ["note://a"]);
  await using _ = client;
  for (let i = 0; i < 20; i++) {
    const before = updates().length;
    await world.api.must("PATCH", `/resources/${json.id}`, { text: `${i}` });
    await until("an update", () => updates().length > before);
  }
});

inBothEras("a member's private resource is there for the member alone", async (open) => {
  await using world = await openApiWorld();
  await haveTeams(world.origin, { red: ["ann@example.com", "bob@example.com"] });
  const ann = await tokenOf("ann@example.com");
  const made = await world.api.call("POST", "/resources", { body: NOTE, token: ann });
  assertEquals([made.status, made.json.visibility, made.json.owner], [
    201,
    "private",
    "ann@example.com",
  ]);
  await using hers = await open(world, { token: ann });
  await using his = await open(world, { token: await tokenOf("bob@example.com") });
  assertEquals(await namesOf(hers, "resources/list"), ["note://a"]);
  assertEquals(await namesOf(his, "resources/list"), []);
  assertEquals(await textOf(hers, "note://a"), "one");
  assertEquals(await textOf(his, "note://a"), undefined);
});

inBothEras("of two templates that fit, each reads the one that it sees", async (open) => {
  await using world = await openApiWorld();
  await haveTeams(world.origin, { red: ["ann@example.com", "bob@example.com"] });
  const ann = await tokenOf("ann@example.com");
  const narrow = { uriTemplate: "note://x/{id}", name: "Hers", text: "secret {{id}}" };
  await world.api.call("POST", "/resources", { body: narrow, token: ann });
  const wide = { uriTemplate: "note://{+path}", name: "All", text: "public {{path}}" };
  await world.api.must("POST", "/resources", wide);
  await using hers = await open(world, { token: ann });
  await using his = await open(world, { token: await tokenOf("bob@example.com") });
  assertEquals(await textOf(hers, "note://x/1"), "secret 1");
  assertEquals(await textOf(his, "note://x/1"), "public x/1");
});

for (
  const [what, body] of [
    ["make something public", { ...NOTE, visibility: "public" }],
    ["make something for the team", { ...NOTE, visibility: "team", teamId: "red" }],
    ["make something for another", { ...NOTE, owner: "bob@example.com" }],
  ] as const
) {
  Deno.test(`a member may not ${what}`, async () => {
    await using world = await openApiWorld();
    await haveTeams(world.origin, { red: ["ann@example.com"] });
    const token = await tokenOf("ann@example.com");
    const { status, json } = await world.api.call("POST", "/resources", { body, token });
    assertEquals([status, json.code], [403, "forbidden"]);
  });
}

Deno.test("what another has made is missing on every verb", async () => {
  await using world = await openApiWorld();
  await haveTeams(world.origin, { red: ["ann@example.com", "bob@example.com"] });
  const ann = await tokenOf("ann@example.com");
  const { json } = await world.api.call("POST", "/resources", { body: NOTE, token: ann });
  const token = await tokenOf("bob@example.com");
  const path = `/resources/${json.id}`;
  const statuses = [];
  for (const [method, body] of [["GET"], ["PATCH", { text: "x" }], ["DELETE"]] as const) {
    statuses.push((await world.api.call(method, path, { token, body })).status);
  }
  assertEquals(statuses, [404, 404, 404]);
});

Deno.test("a change that was made to another version is refused", async () => {
  await using world = await openApiWorld();
  const { json, headers } = await world.api.must("POST", "/prompts", PROMPT);
  const path = `/prompts/${json.id}`;
  await world.api.must("PATCH", path, { title: "T" });
  const late = { body: { title: "U" }, headers: { "If-Match": headers.get("etag")! } };
  assertEquals((await world.api.call("PATCH", path, late)).status, 412);
  assertEquals((await world.api.must("GET", path)).json.title, "T");
});

async function tokenOf(sub: string): Promise<string> {
  return await mintToken({ sub, teams: ["red"] });
}

async function textOf(client: EraClient, uri: string): Promise<unknown> {
  const { result } = await client.ask("resources/read", { uri });
  return ((result as Message | undefined)?.contents as Message[] | undefined)?.[0]?.text;
}
