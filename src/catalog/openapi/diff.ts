/**
 * What an import changes: tools are known by their names.
 *
 * @module
 */
import type { RestTool } from "../../domain/rest_tool.ts";
import type { Pace } from "../../platform/pace.ts";

export interface ImportDiff {
  readonly created: readonly RestTool[];
  readonly changed: readonly ChangedTool[];
  readonly unchanged: readonly string[];
  /** Names of tools that the document has no more. */
  readonly removed: readonly string[];
}

export interface ChangedTool {
  readonly tool: RestTool;
  /** Which members of its record differ. */
  readonly members: readonly string[];
}

/**
 * @param before those that an earlier import of the same document has made
 * @param after those of this one; without `auth`, what is there stays
 */
export async function diffTools(
  before: readonly RestTool[],
  after: readonly RestTool[],
  pace: Pace,
): Promise<ImportDiff> {
  const known = new Map(before.map((tool) => [tool.name, tool]));
  const names = new Set(after.map(({ name }) => name));
  const created: RestTool[] = [];
  const changed: ChangedTool[] = [];
  const unchanged: string[] = [];
  for (const tool of after) {
    await pace();
    const old = known.get(tool.name);
    if (old === undefined) {
      created.push(tool);
      continue;
    }
    const members = MEMBERS.filter((member) => textOf(old[member]) !== textOf(tool[member]));
    if (members.length > 0) changed.push({ tool, members });
    else unchanged.push(tool.name);
  }
  const removed = before.map(({ name }) => name).filter((name) => !names.has(name));
  return { created, changed, unchanged, removed };
}

/** What a document says. Credentials, filters and times are of whoever runs the gateway. */
const MEMBERS = [
  "title",
  "description",
  "method",
  "url",
  "inputSchema",
  "annotations",
  "parameters",
  "contentType",
] as const satisfies readonly (keyof RestTool)[];

/** Records come back from storage with their members in another order. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each) => {
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  }) ?? "";
}
