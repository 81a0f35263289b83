/**
 * Imports of OpenAPI documents through the API: fetched or given, made into tools, written at once.
 *
 * @module
 * @see contract.md, sections 6 and 8, "OpenAPI import"
 */
import { isGranted, mayManageItem } from "../../domain/access.ts";
import { FaultyRequest, GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Principal } from "../../domain/principal.ts";
import type { RestTool } from "../../domain/rest_tool.ts";
import { OWN_SERVER, type UpstreamAuth } from "../../domain/server.ts";
import type { Pace } from "../../platform/pace.ts";
import { randomText } from "../../platform/random.ts";
import type { CatalogTables, ItemRow, OwnChanges } from "../../storage/catalog_tables.ts";
import type { Catalog } from "../catalog.ts";
import { untilWritten } from "../editing.ts";
import { type AudienceChange, ownAudience, type TeamIdOf } from "../item_audience.ts";
import { unmaskedAuth } from "../secrets.ts";
import { type Imported, importOpenApi, type ImportOptions, type Skipped } from "./import.ts";
import { type ImportReport, planImport, toolsFrom } from "./import_plan.ts";

export interface ImportRequest extends Omit<ImportOptions, "documentUrl"> {
  /** An object, JSON text or YAML text; or `url`, where it is. */
  readonly document?: unknown;
  readonly url?: string | undefined;
  readonly audience: AudienceChange;
}

export interface ImportService {
  /**
   * @throws {FaultyRequest} for what does not fit; `conflict` when another took a name meanwhile
   * @throws {GatewayError} `invalid_request`, `too_large` for what is no document; `forbidden`,
   *   `egress_denied`, `conflict`, `upstream_unavailable`, `upstream_timeout`
   */
  readonly run: (request: ImportRequest, principal: Principal) => Promise<ImportReport>;
}

export interface ImportServiceDeps {
  readonly tables: Pick<CatalogTables, "own">;
  readonly catalog: Catalog;
  readonly teamIdOf: TeamIdOf;
  /** @throws {GatewayError} `egress_denied` */
  readonly checkUrl: (url: URL) => void;
  /** The text at the URL, under the egress policy. */
  readonly fetchText: (url: URL) => Promise<string>;
  readonly pace: Pace;
}

export function createImportService(deps: ImportServiceDeps): ImportService {
  const { tables, catalog, pace } = deps;

  async function run({ document, url, audience, ...options }: ImportRequest, principal: Principal) {
    const shownTo = ownAudience(undefined, audience, principal, deps.teamIdOf);
    checkCredentials(deps, options.auth);
    const place = url === undefined ? undefined : placeOf(url);
    const source = place === undefined ? document : await deps.fetchText(place);
    const found = await importOpenApi(source, { ...options, documentUrl: url }, pace);
    const imported = allowed(deps, found, options.baseUrl !== undefined);
    return await untilWritten(async () => {
      await catalog.refresh();
      const { items } = catalog.shelf(OWN_SERVER.slug)!;
      const known = toolsFrom(items, imported.from)
        .filter(({ row }) => mayManageItem(principal, { item: row, server: OWN_SERVER }));
      const mine = new Set(known.map(({ row }) => row.id));
      const others = takenNames(catalog, mine);
      const { changes, report } = await planImport(imported, {
        known,
        isTaken: (name) => others.has(name),
        newId: () => randomText(ID_BYTES),
        audience: shownTo,
        anyAddress: false,
        pace,
      });
      checkGranted(principal, report);
      await checkRoom(items, changes, pace);
      await tables.own.apply(changes);
      await catalog.refresh();
      return report;
    });
  }

  return { run };
}

/** 96 random bits, as all items have. */
export const ID_BYTES = 12;

/** Names of tools that the import may not take over. */
function takenNames(catalog: Catalog, mine: ReadonlySet<string>): ReadonlySet<string> {
  const items = catalog.shelves().flatMap(({ items }) => items);
  return new Set(
    items.filter(({ kind, id }) => kind === "tool" && !mine.has(id))
      .map(({ exposedName }) => exposedName),
  );
}

function placeOf(url: string): URL {
  if (URL.canParse(url)) return new URL(url);
  throw new FaultyRequest("invalid_request", "The document cannot be fetched", [
    { path: "url", message: "must be an http or https URL" },
  ]);
}

/** @throws {GatewayError} `conflict` */
async function checkRoom(
  items: readonly ItemRow[],
  { created, removed }: OwnChanges,
  pace: Pace,
): Promise<void> {
  let chars = items.reduce((sum, { own }) => sum + (own?.chars ?? 0), 0);
  for (const { settings } of created) {
    chars += JSON.stringify(settings.spec).length;
    await pace();
  }
  const count = items.length - removed.length + created.length;
  if (count <= LIMITS.ownItems && chars <= LIMITS.ownItemsChars) return;
  throw new GatewayError("conflict", "There is no room for so many tools");
}

/** A document may say where its tools are, but not every address is one for the API. */
function allowed(
  { checkUrl }: ImportServiceDeps,
  imported: Imported,
  isChosen: boolean,
): Imported {
  const refused = new Map<string, string>();
  const isAllowed = ({ url }: RestTool) => {
    const { origin } = new URL(url);
    if (refused.has(origin)) return false;
    try {
      checkUrl(new URL(origin));
      return true;
    } catch (error) {
      if (isChosen || !(error instanceof GatewayError)) throw error;
      refused.set(origin, error.message);
      return false;
    }
  };
  const tools: RestTool[] = [];
  const skipped: Skipped[] = [];
  for (const tool of imported.tools) {
    const { method, url } = tool;
    if (isAllowed(tool)) tools.push(tool);
    else skipped.push({ method, path: url, reason: refused.get(new URL(url).origin)! });
  }
  return { ...imported, tools, skipped: [...imported.skipped, ...skipped] };
}

/** Nothing is known that a mask could keep; and tokens are asked for under the policy, too. */
function checkCredentials({ checkUrl }: ImportServiceDeps, auth: UpstreamAuth | undefined): void {
  if (auth === undefined) return;
  unmaskedAuth(auth, { type: "none" });
  if (auth.type === "oauth_client_credentials") checkUrl(new URL(auth.tokenUrl));
}

/** @throws {GatewayError} `forbidden` */
function checkGranted(principal: Principal, { changed, removed }: ImportReport): void {
  const needed = [
    ...changed.length > 0 ? ["tools.update"] : [],
    ...removed.length > 0 ? ["tools.delete"] : [],
  ];
  const missing = needed.find((permission) => !isGranted(principal, permission));
  if (missing === undefined) return;
  throw new GatewayError("forbidden", `The credential lacks the permission "${missing}"`);
}
