/**
 * What an import changes among the gateway's own tools, and the report of it.
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */
import type { OwnTool } from "../../domain/own_item.ts";
import type { RestTool } from "../../domain/rest_tool.ts";
import type { Audience } from "../../domain/server.ts";
import type { Pace } from "../../platform/pace.ts";
import type { ItemRow, OwnChanges } from "../../storage/catalog_tables.ts";
import { diffTools } from "./diff.ts";
import type { Imported, Note, Skipped } from "./import.ts";
import type { SchemeToFill } from "./security.ts";

export interface ImportReport {
  readonly created: readonly Named[];
  readonly changed: readonly (Named & { readonly members: readonly string[] })[];
  readonly removed: readonly Named[];
  readonly unchanged: number;
  readonly skipped: readonly Skipped[];
  readonly excluded: number;
  readonly notes: readonly Note[];
  readonly security: readonly SchemeToFill[];
}

interface Named {
  readonly id: string;
  readonly name: string;
}

export interface ImportPlan {
  readonly changes: OwnChanges;
  readonly report: ImportReport;
}

export interface PlanContext {
  /** Tools that an earlier import of this document has made. */
  readonly known: readonly KnownTool[];
  /** Whether another item has the name. */
  readonly isTaken: (name: string) => boolean;
  readonly newId: () => string;
  /** To whom new ones are shown. */
  readonly audience: Audience;
  /** See `RestTool`. */
  readonly anyAddress: boolean;
  readonly pace: Pace;
}

export interface KnownTool {
  readonly row: ItemRow;
  readonly spec: OwnTool;
  readonly enabled: boolean;
}

/** Those among the gateway's own items that the document has made. */
export function toolsFrom(rows: readonly ItemRow[], from: string): readonly KnownTool[] {
  return rows.flatMap((row) =>
    row.own?.spec.kind === "tool" && row.own.spec.imported?.from === from
      ? [{ row, spec: row.own.spec, enabled: row.own.enabled }]
      : []
  );
}

export async function planImport(imported: Imported, context: PlanContext): Promise<ImportPlan> {
  const { known, isTaken, newId, audience, anyAddress, pace } = context;
  const byName = new Map(known.map((one) => [one.spec.imported!.name, one]));
  const diff = await diffTools(known.map(({ spec }) => asDocument(spec)), imported.tools, pace);
  const notes = [...imported.notes];
  const skipped = [...imported.skipped];
  const created: OwnChanges["created"][number][] = [];
  for (const tool of diff.created) {
    if (isTaken(tool.name)) {
      const reason = `Another tool has the name "${tool.name}"`;
      skipped.push({ method: tool.method, path: tool.url, reason });
      continue;
    }
    const spec = newSpec(tool, imported.from, anyAddress);
    created.push({ id: newId(), settings: { spec, enabled: true, audience } });
  }
  const unchanged = new Set(diff.unchanged);
  const withAuth = imported.tools.filter(({ name, auth }) =>
    auth !== undefined && unchanged.has(name) &&
    JSON.stringify(auth) !== JSON.stringify(byName.get(name)!.spec.auth)
  );
  const changed = [...diff.changed, ...withAuth.map((tool) => ({ tool, members: ["auth"] }))];
  const updated = changed.map(({ tool, members }) => {
    const { row, spec: before, enabled } = byName.get(tool.name)!;
    const { spec, note } = changedSpec(before, tool, imported.from, anyAddress);
    if (note !== undefined) notes.push({ tool: spec.name, note });
    const settings = { spec, enabled, audience: row.audience };
    return { id: row.id, revision: row.revision, settings, members };
  });
  const removed = diff.removed.map((name) => byName.get(name)!.row);
  const named = ({ id, exposedName }: ItemRow) => ({ id, name: exposedName });
  return {
    changes: { created, updated, removed },
    report: {
      created: created.map(({ id, settings }) => ({ id, name: settings.spec.name })),
      changed: updated.map(({ id, settings, members }) => ({
        id,
        name: settings.spec.name,
        members,
      })),
      removed: removed.map(named),
      unchanged: unchanged.size - withAuth.length,
      skipped,
      excluded: imported.excluded,
      notes,
      security: imported.security,
    },
  };
}

/** As the document said it, whatever was changed here. */
function asDocument(spec: OwnTool): RestTool {
  const { name, title, description, annotations } = spec.imported!;
  return { ...spec, name, title, description, annotations };
}

function newSpec(tool: RestTool, from: string, anyAddress: boolean): OwnTool {
  const { auth = { type: "none" } } = tool;
  return {
    kind: "tool",
    ...tool,
    headers: {},
    auth,
    imported: documentedOf(tool, from),
    ...anyAddress ? { anyAddress } : {},
  };
}

function documentedOf(tool: RestTool, from: string): NonNullable<RestTool["imported"]> {
  const { name, title, description, annotations } = tool;
  return { from, name, title, description, annotations };
}

function changedSpec(
  before: OwnTool,
  tool: RestTool,
  from: string,
  anyAddress: boolean,
): { spec: OwnTool; note: string | undefined } {
  const { method, url, inputSchema, parameters, contentType } = tool;
  const documented = documentedOf(tool, from);
  const isMoved = new URL(before.url).origin !== new URL(url).origin;
  const hasSecrets = before.auth.type !== "none" || Object.keys(before.headers).length > 0;
  // Credentials for one address are not sent to another.
  const kept = isMoved ? { auth: { type: "none" as const }, headers: {} } : {};
  const spec: OwnTool = {
    ...before,
    ...ownOr(before, documented),
    method,
    url,
    inputSchema,
    parameters,
    contentType,
    ...kept,
    ...tool.auth === undefined ? {} : { auth: tool.auth },
    imported: documented,
    anyAddress: anyAddress || before.url === url && before.anyAddress === true || undefined,
  };
  const isLost = isMoved && hasSecrets && tool.auth === undefined;
  const note = isLost ? "Its address has changed: credentials have to be given again" : undefined;
  return { spec, note };
}

/** What was changed here stays; the rest is the document's. */
function ownOr(before: OwnTool, now: NonNullable<RestTool["imported"]>) {
  const old = before.imported!;
  const isOwn = (member: "title" | "description" | "annotations") =>
    JSON.stringify(before[member]) !== JSON.stringify(old[member]);
  return {
    title: isOwn("title") ? before.title : now.title,
    description: isOwn("description") ? before.description : now.description,
    annotations: isOwn("annotations") ? before.annotations : now.annotations,
  };
}
