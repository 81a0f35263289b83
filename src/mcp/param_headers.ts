/**
 * Arguments that clients of the stateless era repeat as headers, where no server of that era looks
 * at them: tools whose annotations cannot be followed are not shown, and headers are checked here.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Tools", "x-mcp-header"
 */
import { flawOfHeaders } from "../catalog/header_annotations.ts";
import { ProtocolError } from "../domain/errors.ts";
import type { Edit } from "./edit.ts";
import { elementsOf, findMember, type Member, nameOf } from "./json_scan.ts";
import { type ClientMessage, isObject, type JsonObject } from "./message.ts";
import {
  decodeHeaderValue,
  HEADER_MISMATCH,
  type MirrorHeaders,
} from "./revisions/stateless_era.ts";

/**
 * Leaves tools out of a list whose annotations a client could not follow.
 * @param inResult members of the result of `tools/list`
 */
export function headerFlawEdits(bytes: Uint8Array, inResult: readonly Member[]): readonly Edit[] {
  const tools = findMember(bytes, inResult, TOOLS);
  if (tools === undefined || bytes[tools.start] !== OPEN_BRACKET) return [];
  const list = bytes.subarray(tools.start, tools.end);
  const text = decoder.decode(list);
  if (!text.includes(ANNOTATION)) return [];
  const all: readonly unknown[] = JSON.parse(text);
  const kept = elementsOf(list).filter((_, i) => {
    const tool = all[i];
    return !isObject(tool) || flawOfHeaders(tool.inputSchema) === undefined;
  });
  if (kept.length === all.length) return [];
  const parts = kept.map(({ start, end }) => decoder.decode(list.subarray(start, end)));
  const value = new TextEncoder().encode(`[${parts.join()}]`);
  return [{ start: tools.start, end: tools.end, value }];
}

/** One argument that stands in a header too. */
interface Mirror {
  /** Lower-cased. */
  readonly header: string;
  readonly path: readonly string[];
}

export type CheckParamHeaders = (
  message: ClientMessage,
  headers: MirrorHeaders,
  tool: { readonly definition: string } | undefined,
) => void;

export function createParamHeaders(): { readonly check: CheckParamHeaders } {
  const known = new WeakMap<object, readonly Mirror[]>();

  function mirrorsOf(tool: { readonly definition: string }): readonly Mirror[] {
    let mirrors = known.get(tool);
    if (mirrors === undefined) {
      const schema = tool.definition.includes(ANNOTATION)
        ? JSON.parse(tool.definition).inputSchema
        : undefined;
      mirrors = flawOfHeaders(schema) === undefined ? mirrorsIn(schema, []) : [];
      known.set(tool, mirrors);
    }
    return mirrors;
  }

  return {
    /**
     * @param tool as discovery found it; `undefined` when it is not known
     * @throws {ProtocolError} -32020 when a header and its argument differ
     */
    check(message, headers, tool) {
      if (tool === undefined) return;
      for (const { header, path } of mirrorsOf(tool)) {
        const sent = headers.params.filter(([name]) => name === header);
        const value = argumentAt(message.params?.arguments, path);
        if (sent.length > 1 || !isSame(sent[0]?.[1], value)) {
          const text = `The ${header} header must equal the argument "${path.join(".")}"`;
          throw new ProtocolError(HEADER_MISMATCH, 400, text);
        }
      }
    },
  };
}

function mirrorsIn(schema: unknown, path: readonly string[]): readonly Mirror[] {
  if (!isObject(schema)) return [];
  const name = schema[ANNOTATION];
  const own = typeof name === "string" ? [{ header: `mcp-param-${name.toLowerCase()}`, path }] : [];
  const { properties } = schema;
  if (!isObject(properties)) return own;
  const below = Object.entries(properties).flatMap(([member, of]) =>
    mirrorsIn(of, [...path, member])
  );
  return [...own, ...below];
}

function argumentAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const member of path) {
    at = isObject(at) && Object.hasOwn(at, member) ? (at as JsonObject)[member] : undefined;
  }
  return at;
}

/** An argument that is missing or null has no header. Numbers are the same whatever the spelling. */
function isSame(header: string | undefined, value: unknown): boolean {
  if (value === undefined || value === null) return header === undefined;
  if (header === undefined) return false;
  // Without its end it is not the encoded form, but a text like any other.
  const text = header.endsWith("?=") ? decodeHeaderValue(header) : header;
  return typeof value === "number" ? Number(text) === value : text === String(value);
}

const ANNOTATION = "x-mcp-header";
const OPEN_BRACKET = 0x5b;
const TOOLS = nameOf("tools");
const decoder = new TextDecoder();
