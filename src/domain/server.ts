/**
 * An upstream server: an MCP server that the gateway calls.
 *
 * @module
 */
export type Visibility = "public" | "team" | "private";

export interface UpstreamServer {
  /** Name as declared, for people. */
  readonly name: string;
  /** Unique; the lower-cased name with runs of other characters as one `-`. Part of the URL. */
  readonly slug: string;
  readonly title: string | undefined;
  readonly url: URL;
  readonly transport: "http";
  /** Fixed headers sent with every request, `${NAME}` already replaced. Values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly visibility: Visibility;
  /** Set with visibility `team`. */
  readonly team: string | undefined;
  /** Set with visibility `private`. */
  readonly owner: string | undefined;
  /** Longest silence in a call; overrides `TOOL_TIMEOUT`. */
  readonly timeoutMs: number | undefined;
}

/** The slug of a name: `My Server!` → `my-server`. Empty when nothing usable is left. */
export function slugOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

/** True for text that may stand as `{slug or id}` in a URL. */
export function isSlug(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?$/.test(text);
}
