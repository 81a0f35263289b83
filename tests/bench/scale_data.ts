/**
 * A data directory with very many users, teams and items in it, as a gateway has made it over the years.
 *
 * @module
 */

import type { Item, ItemKind } from "../../src/domain/item.ts";
import type { Audience } from "../../src/domain/server.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createAccountTables } from "../../src/storage/tables/accounts.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { anItem, anOffer, itemChanges, someSettings } from "../support/catalog_rows.ts";
import { SCALE_PATHS, scaleResources, scaleTemplates, scaleTools } from "./stub_scale.ts";

export const SCALE_USERS = 10_000;
export const SCALE_TEAMS = 1_000;
export const SCALE_SERVERS = 200;

/** Every so manyth item is one team's only. */
const NARROWED = 5;

const CAPABILITIES = { tools: {}, resources: {} };

export function scaleUser(at: number): string {
  return `user-${at}@example.com`;
}

export function scaleTeam(at: number): string {
  return `team-${at}`;
}

export function scaleServer(at: number): string {
  return `scale-${at}`;
}

/**
 * Writes it.
 *
 * @param path of the database file
 * @param secret `AUTH_ENCRYPTION_SECRET`
 * @param stubPort where the servers are
 */
export async function writeScaleData(
  path: string,
  secret: string,
  stubPort: number,
): Promise<void> {
  const clock = systemClock;
  const timers = createTimers(clock.monotonic);
  const database = openDatabase({ kind: "sqlite", path }, { timers });
  try {
    await migrate(database, { clock });
    const accounts = createAccountTables(database, { clock });
    for (let at = 0; at < SCALE_TEAMS; at++) {
      const slug = scaleTeam(at);
      await accounts.teams.create({ id: slug, slug, name: slug, description: undefined });
    }
    for (let at = 0; at < SCALE_USERS; at++) {
      const email = scaleUser(at);
      await accounts.users.create({ email, fullName: undefined, isAdmin: false, enabled: true });
      await accounts.members.put(scaleTeam(at % SCALE_TEAMS), email, "member");
    }
    const tables = createCatalogTables(database, {
      clock,
      keyring: createKeyring(secret, undefined),
    });
    for (let at = 0; at < SCALE_SERVERS; at++) await writeServer(tables, at, stubPort);
  } finally {
    await database.close();
  }
}

async function writeServer(
  { upstreams, items }: ReturnType<typeof createCatalogTables>,
  at: number,
  stubPort: number,
): Promise<void> {
  const id = scaleServer(at);
  const url = `http://127.0.0.1:${stubPort}${SCALE_PATHS}${at}/mcp`;
  await upstreams.create({
    id,
    slug: id,
    name: id,
    declared: false,
    settings: someSettings({ url }),
  });
  await items.apply(
    id,
    itemChanges({ inserted: itemsOf(at), offer: anOffer({ capabilities: CAPABILITIES }) }),
  );
}

function itemsOf(server: number): readonly Item[] {
  const some = (kind: ItemKind, member: string, definitions: readonly object[]): Item[] =>
    definitions.map((definition, at) => {
      const name = String(Reflect.get(definition, member));
      return anItem(`${kind}-${server}-${at}`, {
        kind,
        upstreamId: scaleServer(server),
        upstreamName: name,
        exposedName: kind === "tool" ? `${scaleServer(server)}-${name}` : name,
        foundMs: server,
        seq: at + 1,
        definition: JSON.stringify(definition),
        audience: at % NARROWED === 0 ? teamOf(server * 7 + at) : undefined,
      });
    });
  return [
    ...some("tool", "name", scaleTools(server, 0)),
    ...some("resource", "uri", scaleResources(server)),
    ...some("template", "uriTemplate", scaleTemplates(server)),
  ];
}

function teamOf(at: number): Audience {
  return { visibility: "team", team: scaleTeam(at % SCALE_TEAMS), owner: undefined };
}
