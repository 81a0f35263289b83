/**
 * What the stub answers with, known to its callers too, so that an answer can be compared with it.
 *
 * @module
 */

/** A line of ordinary text: quotes and line ends have to be escaped in JSON, the rest is ASCII. */
const LINE =
  'The porter reads the "letter of safe conduct", counts the guests and opens the gate.\n';

/** Text of exactly so many characters, before JSON escaping. */
export function textOf(bytes: number): string {
  return LINE.repeat(Math.ceil(bytes / LINE.length)).slice(0, bytes);
}

/** Sizes of text that the stub has ready. */
export const TEXT_BYTES = [1024, 64 * 1024, 1024 * 1024] as const;

/** The tools that the stub offers: two that do something, and company to make a list of twenty. */
export const TOOL_NAMES: readonly string[] = [
  "text",
  "notify",
  ...Array.from({ length: 18 }, (_, index) => `company_${String(index + 3).padStart(2, "0")}`),
];

/** What every tool says about itself. */
export const TOOL_DESCRIPTION =
  "Looks up an entry of the collection by its path and returns the newest lines of it.";

/** Where the stub speaks the stateless era. */
export const STATELESS_PATH = "/mcp";
export const STATELESS_REVISION = "2026-07-28";

/** Where it is many servers of that era, each with the tools of `STATELESS_PATH`. */
export function manyPath(index: number): string {
  return `/many/${index}/mcp`;
}

/** What begins the paths of these. */
export const MANY_PATHS = "/many/";

/** The name of such a server at the gateway. */
export function manyName(index: number): string {
  return `many-${index}`;
}

/** The names of all tools of so many of them, as the gateway shows them together. */
export function manyToolNames(servers: number): string[] {
  return Array.from({ length: servers }, (_, index) => index)
    .flatMap((index) => TOOL_NAMES.map((tool) => `${manyName(index)}-${tool}`));
}

/** Where one server has all of the tools of `LONG_SERVERS` others, on one page. */
export const LONG_PATH = "/long/mcp";
export const LONG_SERVERS = 20;

/** Where one server has very many tools, on several pages. */
export const BIG_PATH = "/big/mcp";
export const BIG_PAGE_TOOLS = 500;
export const BIG_TOOL_NAMES: readonly string[] = Array.from(
  { length: 5_000 },
  (_, index) => `entry_${String(index + 1).padStart(4, "0")}`,
);

/** Where it speaks the session era, and nothing else: a server of that era. */
export const SESSION_PATH = "/session/mcp";
export const SESSION_REVISION = "2025-11-25";

/** A POST here makes the stub say `ANNOUNCEMENT` once on every open stream. */
export const ANNOUNCE_PATH = "/session/announce";

/** A GET here tells how many sessions and streams the stub has. */
export const COUNTS_PATH = "/session/counts";

/** The method of what is said on all streams. */
export const ANNOUNCEMENT = "notifications/tools/list_changed";
