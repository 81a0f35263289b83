/**
 * Export and import of the whole configuration.
 *
 * @module
 * @see contract.md, section 8, "Export and import"; security.md, SEC-06, ADM-12
 */
import type { Catalog } from "../../catalog/catalog.ts";
import { untilWritten } from "../../catalog/editing.ts";
import { type ErrorCode, FaultyRequest, GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Declarations } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Pace, paced } from "../../platform/pace.ts";
import { type Database, NotUnique } from "../../storage/database.ts";
import type { Keyring } from "../../storage/sealed.ts";
import { createAccountTables } from "../../storage/tables/accounts.ts";
import { createCatalogTables } from "../../storage/tables/catalog.ts";
import { together } from "../../storage/together.ts";
import {
  type Bundle,
  checkedBundle,
  type NotTaken,
  type ToFillIn,
  type Translated,
} from "../api/bundle.ts";
import type { ToolDeps } from "../api/tools.ts";
import type { RefusalDeps } from "../reference/refusals.ts";
import { referenceSteps } from "../reference_document.ts";
import type { Strategy } from "./draft.ts";
import { readEverything, type Tables } from "./everything.ts";
import { exportBundle } from "./export_bundle.ts";
import { createNouns } from "./nouns.ts";
import { type Plan, planImport, type PlannedRecord, type Refusal } from "./plan.ts";
import { createSealing } from "./sealing.ts";

export interface Transfer {
  /**
   * With a passphrase, secrets are in it.
   * @throws {GatewayError} `conflict` when some of them cannot be read
   */
  readonly export: (passphrase: string | undefined) => Promise<ExportedText>;
  /**
   * All or nothing.
   * @throws {FaultyRequest} with each place that is wrong; `conflict` by the strategy `fail`
   * @throws {GatewayError} `forbidden`, `egress_denied`, `conflict`
   */
  readonly import: (request: ImportRequest, principal: Principal) => Promise<ImportReport>;
}

export interface ExportedText {
  /** JSON text of a bundle. */
  readonly text: string;
  /** Slugs of what the config file declares, which is not in it. */
  readonly declared: readonly string[];
  /** Names of what has secrets, and ids of API tokens, that are not in it. */
  readonly leftOut: readonly string[];
}

export interface ImportRequest {
  readonly document: unknown;
  readonly strategy: Strategy;
  /** Nothing is changed: the report says what would be, and what would be refused. */
  readonly dryRun: boolean;
  readonly passphrase: string | undefined;
}

export interface ImportReport {
  readonly dryRun: boolean;
  readonly records: readonly PlannedRecord[];
  /** Secrets that the bundle does not hold. */
  readonly toFillIn: readonly ToFillIn[];
  readonly notTaken: readonly NotTaken[];
}

export interface TransferDeps extends Pick<ToolDeps, "schemaFault"> {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly clock: Clock;
  /** @throws {GatewayError} `egress_denied` */
  readonly checkUrl: (url: URL) => void;
  readonly shelves: Catalog["shelves"];
  /** Takes over what was written. */
  readonly refresh: () => Promise<unknown>;
  readonly pace: Pace;
}

export interface TransferOptions {
  /** `GATEWAY_TOOL_NAME_SEPARATOR` */
  readonly separator: string;
  /** See `DraftDeps`. */
  readonly isOperator: boolean;
  readonly declarations: Declarations;
}

export function createTransfer(deps: TransferDeps, options: TransferOptions): Transfer {
  const { database, clock, pace } = deps;
  const nouns = createNouns(deps);
  const sealing = createSealing({ pace });
  const tables = tablesOf(deps, database);

  async function planned(
    bundle: Bundle,
    { strategy, passphrase }: ImportRequest,
    principal: Principal,
  ) {
    const secrets = passphrase === undefined ? undefined : await sealing.open(bundle, passphrase);
    return async () => {
      await deps.refresh();
      const all = await readEverything(tables);
      const { checkUrl, shelves } = deps;
      return await planImport(bundle, {
        ...options,
        all,
        principal,
        strategy,
        secrets,
        shelves,
        nouns,
        checkUrl,
        nowMs: clock.now(),
        pace,
      });
    };
  }

  async function run(request: ImportRequest, principal: Principal): Promise<ImportReport> {
    const { bundle, notTaken, toFillIn } = await translated(request.document, deps, options, pace);
    const plan = await planned(bundle, request, principal);
    const report = ({ records, draft }: Plan): ImportReport => ({
      dryRun: request.dryRun,
      records,
      toFillIn: once([...toFillIn, ...draft.toFillIn]),
      notTaken,
    });
    if (request.dryRun) return report(await plan());
    return await untilWritten(async () => {
      const found = await plan();
      refuse(found.refusals);
      await carriedOut(deps, found);
      await deps.refresh();
      return report(found);
    });
  }

  return {
    async export(passphrase) {
      await deps.refresh();
      const nowMs = clock.now();
      const { separator } = options;
      const made = await exportBundle(await readEverything(tables), {
        separator,
        nowMs,
        nouns,
        pace,
      });
      const { bundle, unreadable } = made;
      const { upstreams = [], servers = [] } = bundle.declared ?? {};
      const declared = [...upstreams, ...servers];
      if (passphrase === undefined) {
        const leftOut = Object.values(made.secrets).flatMap((some) => Object.keys(some));
        leftOut.push(...unreadable);
        return { text: await textOf(bundle, pace), declared, leftOut };
      }
      if (unreadable.length > 0) throw notReadable(unreadable);
      const secrets = await sealing.seal(made.secrets, bundle, passphrase);
      return { text: await textOf({ ...bundle, secrets }, pace), declared, leftOut: [] };
    },
    import: run,
  };
}

function notReadable(names: readonly string[]): GatewayError {
  const text = `The credentials of ${names.join(", ")} cannot be read with this ` +
    "AUTH_ENCRYPTION_SECRET: give the one that they were sealed with, or new credentials, or " +
    "export without a passphrase";
  return new GatewayError("conflict", text);
}

function once(places: readonly ToFillIn[]): readonly ToFillIn[] {
  return [...new Map(places.map((one) => [JSON.stringify(Object.values(one)), one])).values()];
}

function tablesOf({ clock, keyring }: TransferDeps, database: Database): Tables {
  return {
    catalog: createCatalogTables(database, { clock, keyring }),
    accounts: createAccountTables(database, { clock }),
  };
}

/**
 * A bundle, or the document of the reference system as one.
 * @throws {FaultyRequest}
 */
async function translated(
  document: unknown,
  rules: RefusalDeps,
  { separator, isOperator }: TransferOptions,
  pace: Pace,
): Promise<Translated> {
  // What the gateway has exported, whoever runs it can bring back.
  const entriesMax = isOperator ? Infinity : LIMITS.bundleEntries;
  if (!isReference(document)) {
    return { bundle: checkedBundle(document, entriesMax), notTaken: [], toFillIn: [] };
  }
  const { bundle, ...rest } = await paced(referenceSteps(document, { separator, rules }), pace);
  return { bundle: checkedBundle(bundle, entriesMax), ...rest };
}

function isReference(document: unknown): boolean {
  return typeof document === "object" && document !== null && !("sallyport" in document) &&
    "entities" in document;
}

/** Which of several refusals the answer is named after: the first that there is one of. */
const WORST: readonly ErrorCode[] = ["forbidden", "invalid_request", "egress_denied", "conflict"];

/** @throws {FaultyRequest} */
function refuse(refusals: readonly Refusal[]): void {
  if (refusals.length === 0) return;
  const codes = new Set(refusals.map(({ code }) => code));
  const code = WORST.find((one) => codes.has(one)) ?? [...codes][0]!;
  const faults = refusals.flatMap(({ faults }) => faults).slice(0, LIMITS.apiFaults);
  const records = refusals.length === 1 ? "one record" : `${refusals.length} records`;
  const text = `Nothing was imported: ${records} cannot be taken over`;
  throw new FaultyRequest(code, text, faults);
}

/** @throws {GatewayError} `conflict` when others wrote meanwhile */
async function carriedOut(deps: TransferDeps, { draft }: Plan): Promise<void> {
  const { writes, own, expected } = draft;
  if (writes.length + own.created.length + own.updated.length + expected.size === 0) return;
  try {
    await together(deps.database, async (one) => {
      const tables = tablesOf(deps, one);
      for (const write of writes) {
        await write(tables);
        await deps.pace();
      }
      if (own.created.length + own.updated.length > 0) {
        await tables.catalog.own.apply({ ...own, removed: [] });
      }
      for (const [id, items] of expected) await tables.catalog.items.expect(id, items);
    });
  } catch (error) {
    if (!isOvertaken(error)) throw error;
    throw new GatewayError("conflict", "Something was changed meanwhile", { cause: error });
  }
}

/** Whether what was read is taken, or gone. */
function isOvertaken(error: unknown): boolean {
  return error instanceof NotUnique ||
    (error instanceof GatewayError && error.code === "not_found");
}

/** As one text, others in between. */
async function textOf(bundle: Bundle, pace: Pace): Promise<string> {
  const members: string[] = [];
  for (const [name, value] of Object.entries(bundle)) {
    if (!Array.isArray(value)) {
      members.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
      continue;
    }
    const entries: string[] = [];
    for (const entry of value) {
      entries.push(JSON.stringify(entry));
      await pace();
    }
    members.push(`${JSON.stringify(name)}:[${entries.join(",\n")}]`);
  }
  return `{${members.join(",\n")}}\n`;
}
