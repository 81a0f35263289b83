/**
 * Upstream servers, which the gateway calls, and virtual servers, which it makes of their parts.
 *
 * @module
 */
export const VISIBILITIES = ["public", "team", "private"] as const;
export type Visibility = typeof VISIBILITIES[number];

/** Who may see a record. */
export interface Audience {
  readonly visibility: Visibility;
  /** Set with visibility `team`. */
  readonly team: string | undefined;
  /** Set with visibility `private`: the subject that it belongs to. */
  readonly owner: string | undefined;
}

export type UpstreamServer = HttpUpstream | StdioUpstream | OwnServer;

interface UpstreamBase extends Audience {
  /** Random, kept for ever. */
  readonly id: string;
  /** Name as declared, for people. */
  readonly name: string;
  /** Unique; the lower-cased name with runs of other characters as one `-`. Part of the URL. */
  readonly slug: string;
  readonly title: string | undefined;
  /** Longest silence in a call; overrides `TOOL_TIMEOUT`. */
  readonly timeoutMs: number | undefined;
  /** Lower-cased names of headers of the client's that the server gets. */
  readonly passthroughHeaders: readonly string[];
  readonly enabled: boolean;
  /** Whether `/mcp` shows what it offers. */
  readonly expose: boolean;
  /** From the config file: read-only in the API, and free to use private addresses. */
  readonly declared: boolean;
  readonly tags: readonly string[];
  /** Place in every list: servers stand in the order in which they became known. */
  readonly seq: number;
}

/** An MCP server over Streamable HTTP, or over the transport of 2024-11-05 (`sse`). */
export interface HttpUpstream extends UpstreamBase {
  readonly transport: "http" | "sse";
  readonly url: URL;
  /** Instead of the URL, where it holds variables of the config file: these by their names. */
  readonly shownUrl?: string;
  /** Fixed headers sent with every request, `${NAME}` already replaced. Values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: UpstreamAuth;
}

/** An MCP server that is a program: a child process for each client session. */
export interface StdioUpstream extends UpstreamBase {
  readonly transport: "stdio";
  /** Path or name of the program; no shell reads it. */
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process. Values are secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

/** The gateway itself: what stands behind its own tools, prompts and resources. */
export interface OwnServer extends UpstreamBase {
  readonly transport: "own";
}

/**
 * There is one. Neither its id nor its slug can be a slug, so no URL leads to it, and nothing that
 * people make can take its place.
 */
export const OWN_SERVER: OwnServer = Object.freeze({
  transport: "own",
  id: ".own",
  slug: ".own",
  name: "The gateway",
  title: undefined,
  timeoutMs: undefined,
  passthroughHeaders: [],
  enabled: true,
  expose: true,
  declared: true,
  tags: [],
  // Before all others, which are numbered from 1.
  seq: 0,
  visibility: "public",
  team: undefined,
  owner: undefined,
});

/** What the config file says about a server; id and place are given to it by the catalog. */
export type UpstreamDeclaration =
  | Omit<HttpUpstream, "id" | "seq">
  | Omit<StdioUpstream, "id" | "seq">;
export type ServerDeclaration = Omit<VirtualServer, "id" | "seq">;

/** All that the config file declares, disabled ones included; slugs are unique over both. */
export interface Declarations {
  readonly upstreams: readonly UpstreamDeclaration[];
  readonly servers: readonly ServerDeclaration[];
}

/** What the gateway presents to an upstream server besides fixed headers. Members are secrets. */
export type UpstreamAuth =
  | { readonly type: "none" }
  | { readonly type: "bearer"; readonly token: string }
  | { readonly type: "basic"; readonly username: string; readonly password: string }
  | { readonly type: "header"; readonly name: string; readonly value: string }
  | {
    readonly type: "oauth_client_credentials";
    readonly tokenUrl: string;
    readonly clientId: string;
    readonly clientSecret: string;
    readonly scope?: string | undefined;
    /** RFC 8707. */
    readonly resource?: string | undefined;
  };

/** A chosen set of tools, prompts and resources, shown as one MCP server under its own URL. */
export interface VirtualServer extends Audience {
  readonly id: string;
  readonly name: string;
  /** Of one space with the slugs of upstream servers. */
  readonly slug: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly instructions: string | undefined;
  /** Exposed names or globs (`*` for any run of characters). */
  readonly tools: readonly string[];
  readonly prompts: readonly string[];
  /** URIs, URI templates, or globs of them. */
  readonly resources: readonly string[];
  /** Whether items have their names of `/mcp`, or those that their servers gave them. */
  readonly naming: "prefixed" | "verbatim";
  readonly overrides: Overrides;
  readonly enabled: boolean;
  readonly declared: boolean;
  readonly seq: number;
}

/** By exposed name of `/mcp`, or URI: what this server shows differently. */
export interface Overrides {
  readonly tools: Readonly<Record<string, Override>>;
  readonly prompts: Readonly<Record<string, Override>>;
  readonly resources: Readonly<Record<string, Override>>;
}

export interface Override {
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** Members laid over the item's own `annotations`. */
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
}

export const NO_OVERRIDES: Overrides = Object.freeze({ tools: {}, prompts: {}, resources: {} });

/** Where a server is: what is kept at one place means nothing at another. */
export function placeOf(server: UpstreamServer): string {
  let place = places.get(server);
  if (place === undefined) {
    places.set(server, place = `${server.id} ${addressOf(server)}`);
  }
  return place;
}

function addressOf(server: UpstreamServer): string {
  if (server.transport === "own") return "";
  return server.transport === "stdio" ? server.command : server.url.href;
}

/** Asked for with every message, and a URL makes its text anew each time. */
const places = new WeakMap<UpstreamServer, string>();

/** The slug of a name: `My Server!` → `my-server`. Empty when nothing usable is left. */
export function slugOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

/** True for text that may stand as `{slug or id}` in a URL. */
export function isSlug(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?$/.test(text);
}
