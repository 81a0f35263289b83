/**
 * `sallyport import openapi`: makes REST tools of a document.
 *
 * Whoever runs the gateway does this, so the tools may use any address, as servers of the config
 * file may. All see them.
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */
import { importOpenApi } from "../catalog/openapi/import.ts";
import {
  type ImportPlan,
  type ImportReport,
  planImport,
  toolsFrom,
} from "../catalog/openapi/import_plan.ts";
import { ID_BYTES } from "../catalog/openapi/import_service.ts";
import type { Config } from "../config/load.ts";
import { FaultyRequest } from "../domain/errors.ts";
import { systemClock } from "../platform/clock.ts";
import { createPace } from "../platform/pace.ts";
import { randomText } from "../platform/random.ts";
import type { CatalogTables, ItemRow } from "../storage/catalog_tables.ts";
import { migrate } from "../storage/migrate.ts";
import { createKeyring } from "../storage/sealed.ts";
import { createCatalogTables } from "../storage/tables/catalog.ts";
import { configFrom, parseArguments, UsageError } from "./args.ts";
import { withDatabase } from "./database_place.ts";
import { encryptionSecretOf } from "./encryption_secret.ts";
import { OPEN_API_OPTIONS } from "./named_files.ts";

export async function importDocument(args: readonly string[]): Promise<number> {
  const { given: [_kind, file], values } = parseArguments(args, OPEN_API_OPTIONS, 2);
  if (file === undefined) throw new UsageError('"import openapi" is followed by a file');
  const config = configFrom(values);
  const pace = createPace(systemClock.monotonic);
  const imported = await importOpenApi(await textOf(file), {
    baseUrl: textIn(values["base-url"]),
    prefix: textIn(values.prefix),
  }, pace).catch(explained);
  const report = await withTables(config, async (tables) => {
    const own = await tables.own.list();
    const known = toolsFrom(own, imported.from);
    const mine = new Set(known.map(({ row }) => row.id));
    const others = [...own.filter(({ id }) => !mine.has(id)), ...await discovered(tables)];
    const names = new Set(
      others.filter(({ kind }) => kind === "tool").map(({ exposedName }) => exposedName),
    );
    const plan: ImportPlan = await planImport(imported, {
      known,
      isTaken: (name) => names.has(name),
      newId: () => randomText(ID_BYTES),
      audience: { visibility: "public", team: undefined, owner: undefined },
      anyAddress: true,
      pace,
    });
    await tables.own.apply(plan.changes);
    return plan.report;
  });
  for (const line of linesOf(report)) console.log(line);
  return report.created.length + report.changed.length + report.unchanged > 0 ? 0 : 1;
}

async function discovered({ upstreams, items }: CatalogTables): Promise<readonly ItemRow[]> {
  const found = (await upstreams.list()).map(({ id }) => items.listOf(id));
  return (await Promise.all(found)).flat();
}

async function withTables<T>(config: Config, work: (tables: CatalogTables) => Promise<T>) {
  const keyring = createKeyring(await encryptionSecretOf(config), config.encryptionSecretPrevious);
  return await withDatabase(config, async (database) => {
    await migrate(database, { clock: systemClock });
    return await work(createCatalogTables(database, { clock: systemClock, keyring }));
  });
}

async function textOf(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    throw new Error(`The file "${file}" cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function textIn(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Options that cannot be used are wrong usage. */
function explained(error: unknown): never {
  if (!(error instanceof FaultyRequest)) throw error;
  const [fault] = error.faults;
  throw new UsageError(
    `--${fault?.path === "baseUrl" ? "base-url" : fault?.path} ${fault?.message}`,
  );
}

function linesOf(report: ImportReport): readonly string[] {
  const { created, changed, removed, unchanged, skipped, notes, security } = report;
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => `  ${name}`);
  return [
    `Created: ${created.length}`,
    ...names(created),
    `Changed: ${changed.length}`,
    ...changed.map(({ name, members }) => `  ${name}: ${members.join(", ")}`),
    `Removed: ${removed.length}`,
    ...names(removed),
    `As before: ${unchanged}`,
    `Not possible: ${skipped.length}`,
    ...skipped.map(({ method, path, reason }) => `  ${method} ${path}: ${reason}`),
    ...notes.length === 0
      ? []
      : ["Left out:", ...notes.map(({ tool, note }) => `  ${tool}: ${note}`)],
    ...security.length === 0 ? [] : ["Credentials to fill in:"],
    ...security.map(({ scheme, auth, missing, note, tools }) => {
      const what = auth === undefined ? note : `${auth.type}, ${missing.join(" and ")}`;
      return `  ${scheme} (${what}) for ${tools.length} tools`;
    }),
  ];
}
