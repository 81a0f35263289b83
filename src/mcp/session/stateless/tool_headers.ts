/**
 * Arguments of tools that are repeated as headers: which, as the tool's schema in the catalog says,
 * or, when the server does not agree with that any more, its own list.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Tools", "x-mcp-header"
 */
import { headersIn, type HeaderSource } from "../../../catalog/header_annotations.ts";
import { LIMITS } from "../../../domain/limits.ts";
import type { UpstreamServer } from "../../../domain/server.ts";
import { nameOf } from "../../json_scan.ts";
import { isObject, type JsonObject } from "../../message.ts";
import { memberAt, type Sent, textOf } from "./request.ts";

/** A tool's definition as the catalog has it, the same object while nothing about it changes. */
export interface KnownTool {
  /** JSON text. */
  readonly definition: string;
}

export interface ToolHeaders {
  /** Header names and values for this call of a tool. */
  readonly of: (server: UpstreamServer, sent: Sent) => readonly (readonly [string, string])[];
  /**
   * Reads the server's own list of tools.
   * @param page the result of `tools/list`
   */
  readonly refresh: (
    server: UpstreamServer,
    sent: Sent,
    page: (cursor: string | undefined) => Promise<JsonObject>,
  ) => Promise<void>;
}

export function createToolHeaders(
  toolOf: (server: UpstreamServer, name: string) => KnownTool | undefined,
): ToolHeaders {
  const known = new WeakMap<KnownTool, readonly HeaderSource[]>();
  /** What a server said itself, for tools of which the catalog knows something else. */
  const read = new WeakMap<UpstreamServer, Map<string, readonly HeaderSource[]>>();

  function sourcesOf(server: UpstreamServer, name: string): readonly HeaderSource[] {
    const said = read.get(server)?.get(name);
    if (said !== undefined) return said;
    const tool = toolOf(server, name);
    if (tool === undefined) return [];
    let found = known.get(tool);
    if (found === undefined) {
      found = tool.definition.includes("mcp-header")
        ? headersIn(JSON.parse(tool.definition).inputSchema)
        : [];
      known.set(tool, found);
    }
    return found;
  }

  return {
    of(server, sent) {
      const name = toolIn(sent);
      if (name === undefined) return [];
      return sourcesOf(server, name).flatMap(({ header, path }) => {
        const value = valueAt(sent, path);
        return value === undefined ? [] : [[`Mcp-Param-${header}`, value] as const];
      });
    },
    async refresh(server, sent, page) {
      const name = toolIn(sent);
      if (name === undefined) return;
      const tool = await find(name, page);
      const tools = read.get(server) ?? new Map<string, readonly HeaderSource[]>();
      // The oldest makes room.
      if (tools.size >= LIMITS.toolHeadersRead) tools.delete(tools.keys().next().value!);
      read.set(server, tools.set(name, headersIn(tool?.inputSchema)));
    },
  };
}

function toolIn({ method, params }: Sent): string | undefined {
  const name = method === "tools/call" ? params?.name : undefined;
  return typeof name === "string" ? name : undefined;
}

async function find(
  name: string,
  page: (cursor: string | undefined) => Promise<JsonObject>,
): Promise<JsonObject | undefined> {
  let cursor: string | undefined;
  for (let i = 0; i < LIMITS.toolPagesRead; i++) {
    const { tools, nextCursor } = await page(cursor);
    const tool = Array.isArray(tools)
      ? tools.find((one) => isObject(one) && one.name === name)
      : undefined;
    if (tool !== undefined || typeof nextCursor !== "string") return tool;
    cursor = nextCursor;
  }
  return undefined;
}

/** As it stands in a header: texts as they are, numbers and booleans as they are written. */
function valueAt({ bytes, found }: Sent, path: readonly string[]): string | undefined {
  const member = memberAt(bytes, found.params, [ARGUMENTS, ...path.map((part) => nameOf(part))]);
  if (member === undefined) return undefined;
  const text = textOf(bytes, member);
  if (text.startsWith('"')) return JSON.parse(text);
  return /^(?:true|false|-?\d[\d.eE+-]*)$/.test(text) ? text : undefined;
}

const ARGUMENTS = nameOf("arguments");
