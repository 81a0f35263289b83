/**
 * `sallyport export` and `sallyport import FILE`: the whole configuration as one bundle.
 *
 * Whoever runs the gateway does this: there is no credential, and nothing that it may not do.
 *
 * @module
 * @see contract.md, section 8, "Export and import"
 */
import { STRATEGIES, type Strategy } from "../admin/transfer/draft.ts";
import { PASSPHRASE_CHARS_MAX, PASSPHRASE_CHARS_MIN } from "../admin/transfer/sealing.ts";
import { createTransfer, type ImportReport, type Transfer } from "../admin/transfer/transfer.ts";
import { parseStrictly } from "../admin/api/input.ts";
import { egressOf } from "../app/upstream_side.ts";
import { createShelves } from "../catalog/shelves.ts";
import type { Config } from "../config/load.ts";
import { FaultyRequest } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { OPERATOR } from "../domain/principal.ts";
import { JsonScanError, scanJson } from "../mcp/json_scan.ts";
import { systemClock } from "../platform/clock.ts";
import { createPace } from "../platform/pace.ts";
import { createArgumentCheck } from "../policy/guardrails/argument_schema.ts";
import type { Database } from "../storage/database.ts";
import { migrate } from "../storage/migrate.ts";
import { createKeyring } from "../storage/sealed.ts";
import { createCatalogTables } from "../storage/tables/catalog.ts";
import { configFrom, parseArguments, UsageError, type Values } from "./args.ts";
import { withDatabase } from "./database_place.ts";
import { encryptionSecretOf } from "./encryption_secret.ts";
import { importDocument } from "./import.ts";
import { EXPORT_OPTIONS, IMPORT_OPTIONS, isOpenApi } from "./named_files.ts";

export async function exportBundle(args: readonly string[]): Promise<number> {
  const { given: [file], values } = parseArguments(args, EXPORT_OPTIONS, 1);
  const passphrase = await passphraseIn(values);
  const config = configFrom(values);
  const { text, declared, leftOut } = await withTransfer(
    config,
    (transfer) => transfer.export(passphrase),
  );
  if (file === undefined) await written(text);
  // Whoever else has an account on the machine is not to read it.
  else await Deno.writeTextFile(file, text, { mode: 0o600 });
  if (declared.length > 0) {
    console.error(`In the config file, and so not in the bundle: ${declared.join(", ")}`);
  }
  if (leftOut.length > 0) {
    console.error(
      `Without --passphrase-file, and so without the secrets of: ${leftOut.join(", ")}`,
    );
  }
  return 0;
}

async function written(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

/** Of a bundle, or of an OpenAPI document. */
export async function importFile(args: readonly string[]): Promise<number> {
  return await (isOpenApi(args) ? importDocument(args) : importBundle(args));
}

async function importBundle(args: readonly string[]): Promise<number> {
  const { given: [file], values } = parseArguments(args, IMPORT_OPTIONS, 1);
  if (file === undefined) throw new UsageError('"import" is followed by a file, or by "openapi"');
  const strategy = strategyIn(values);
  const passphrase = await passphraseIn(values);
  const dryRun = values["dry-run"] === true;
  const config = configFrom(values);
  const document = await documentIn(file);
  const report = await withTransfer(
    config,
    (transfer) => transfer.import({ document, strategy, dryRun, passphrase }, OPERATOR),
  ).catch(explained);
  for (const line of linesOf(report)) console.log(line);
  return report.records.some(({ action }) => action === "failed") ? 1 : 0;
}

function strategyIn({ strategy = "skip" }: Values): Strategy {
  const known = STRATEGIES.find((one) => one === strategy);
  if (known !== undefined) return known;
  throw new UsageError(`--strategy must be one of ${STRATEGIES.join(", ")}`);
}

async function passphraseIn({ "passphrase-file": file }: Values): Promise<string | undefined> {
  if (typeof file !== "string") return undefined;
  const passphrase = (await readText(file)).replace(/\r?\n$/, "");
  const { length } = passphrase;
  if (length >= PASSPHRASE_CHARS_MIN && length <= PASSPHRASE_CHARS_MAX) return passphrase;
  throw new UsageError(
    `--passphrase-file must hold ${PASSPHRASE_CHARS_MIN} to ${PASSPHRASE_CHARS_MAX} characters`,
  );
}

async function readText(file: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(file));
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    const { size } = await Deno.stat(file);
    if (size > LIMITS.bundleBytes) throw new Error("it is too large");
    return await Deno.readFile(file);
  } catch (cause) {
    throw new Error(`The file "${file}" cannot be read: ${(cause as Error).message}`, { cause });
  }
}

const BOUNDS = {
  depth: LIMITS.openApiDepth,
  nodes: Infinity,
  keyBytes: LIMITS.jsonKeyBytes,
  uniqueNames: true,
} as const;

async function documentIn(file: string): Promise<unknown> {
  const bytes = await readBytes(file);
  try {
    scanJson(bytes, BOUNDS);
    return parseStrictly(new TextDecoder().decode(bytes));
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw new Error(`The file "${file}" is no bundle: ${error.message}`, { cause: error });
  }
}

/** On the database of the configuration, as the config file declares servers now. */
async function withTransfer<T>(
  config: Config,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T> {
  const keyring = createKeyring(await encryptionSecretOf(config), config.encryptionSecretPrevious);
  return await withDatabase(config, async (database) => {
    await migrate(database, { clock: systemClock });
    const shelves = await shelvesOf(config, database, keyring);
    const transfer = createTransfer({
      database,
      keyring,
      clock: systemClock,
      checkUrl: egressOf(config, { hostname: config.host, port: config.port }).checkUrl,
      schemaFault: createArgumentCheck({ unusable: () => {} }).faultOf,
      shelves: () => shelves,
      refresh: () => Promise.resolve(),
      pace: createPace(systemClock.monotonic),
    }, {
      separator: config.toolNameSeparator,
      isOperator: true,
      declarations: config.declarations,
    });
    return await work(transfer);
  });
}

async function shelvesOf(
  { declarations }: Config,
  database: Database,
  keyring: ReturnType<typeof createKeyring>,
) {
  const tables = createCatalogTables(database, { clock: systemClock, keyring });
  const shelves = createShelves();
  for (const row of await tables.upstreams.list()) {
    shelves.putUpstream(row.id, row, await tables.items.listOf(row.id), declarations);
  }
  shelves.sort();
  return shelves.shown.shelves();
}

/** A refusal with each of its places on a line of its own. */
function explained(error: unknown): never {
  if (!(error instanceof FaultyRequest)) throw error;
  const places = error.faults.map(({ path, message }) => `  ${path}: ${message}`);
  throw new Error([error.message, ...places].join("\n"), { cause: error });
}

const ACTIONS = [
  ["created", "Created"],
  ["updated", "Changed"],
  ["renamed", "Made with another name"],
  ["unchanged", "As before"],
  ["skipped", "Left as they are"],
  ["failed", "Not possible"],
] as const;

function linesOf({ dryRun, records, toFillIn, notTaken }: ImportReport): readonly string[] {
  return [
    ...dryRun ? ["Nothing has been changed. It would be:"] : [],
    ...ACTIONS.flatMap(([action, title]) => {
      const found = records.filter((one) => one.action === action);
      const isTold = action !== "unchanged";
      return [
        `${title}: ${found.length}`,
        ...isTold ? found.map((one) => `  ${shownRecord(one)}`) : [],
      ];
    }),
    ...notTaken.length === 0 ? [] : ["Without a place here:"],
    ...notTaken.map(({ kind, name, reason }) => `  ${kind} ${name}: ${reason}`),
    ...toFillIn.length === 0 ? [] : ["Secrets to fill in:"],
    ...toFillIn.map(({ kind, name, what }) => `  ${kind} ${name}: ${what}`),
  ];
}

function shownRecord({ kind, name, newName, reason }: ImportReport["records"][number]): string {
  const renamed = newName === undefined ? "" : ` as ${newName}`;
  return `${kind} ${name}${renamed}${reason === undefined ? "" : `: ${reason}`}`;
}
