/**
 * An item as a view shows it.
 *
 * @module
 */
import type { Item } from "../domain/item.ts";
import { shownDefinition } from "../domain/redefine.ts";
import type { Override, UpstreamServer } from "../domain/server.ts";

/** The same object for as long as nothing about it changes. */
export interface Binding {
  readonly item: Item;
  readonly server: UpstreamServer;
  /** Name, URI or URI template. */
  readonly name: string;
  readonly override: Override | undefined;
  /** Set on tools of servers of which URIs have others in the view. */
  readonly renamed: ((uri: string) => string | undefined) | undefined;
}

/** What a view shows of one server and kind, in order. Never empty. */
export type Run = readonly Binding[];

/** The definition: JSON text of one object, on one line. */
export function shown({ item, name, override, renamed }: Binding): string {
  const { kind, upstreamName, definition } = item;
  const key = kind === "resource" ? "uri" : kind === "template" ? "uriTemplate" : "name";
  const isUri = key !== "name";
  const text = shownDefinition(definition, {
    ...(name === upstreamName ? {} : { [key]: name }),
    ...(isUri && override?.name !== undefined ? { name: override.name } : {}),
    title: override?.title ?? item.title,
    description: override?.description ?? item.description,
    annotations: override?.annotations,
  });
  return renamed === undefined ? text : withAlias(text, renamed);
}

/** The page that belongs to a tool (MCP Apps) moves with the resource that it names. */
function withAlias(text: string, renamed: (uri: string) => string | undefined): string {
  const tool = JSON.parse(text) as { _meta?: { ui?: { resourceUri?: unknown } } };
  const uri = tool._meta?.ui?.resourceUri;
  const alias = typeof uri === "string" ? renamed(uri) : undefined;
  if (alias === undefined) return text;
  tool._meta!.ui!.resourceUri = alias;
  return JSON.stringify(tool);
}
