/**
 * URIs of an upstream server that have another one in a view: replaced wherever a message names a
 * resource. All other bytes stay.
 *
 * @module
 */
import type { Renamed } from "../../catalog/view.ts";
import { type Edit, edited } from "../edit.ts";
import { elementsOf, hasName, type Member, membersAt, nameOf } from "../json_scan.ts";

/** A message of an upstream server, for the client. */
export function withRenamedUris(bytes: Uint8Array, renamed: Renamed): Uint8Array {
  const edits: Edit[] = [];
  const start = bytes.indexOf(OBJECT);
  for (const member of membersAt(bytes, start)) {
    if (PARTS.some((name) => hasName(bytes, member, name))) collect(bytes, member, renamed, edits);
  }
  return edits.length === 0 ? bytes : edited(bytes, edits);
}

/** In ascending order, as they stand. Depth is bounded: the message has been scanned. */
function collect(bytes: Uint8Array, value: Span, renamed: Renamed, edits: Edit[]): void {
  const first = bytes[value.start];
  if (first === ARRAY) {
    for (const { start, end } of elementsOf(bytes.subarray(value.start, value.end))) {
      const element = { start: value.start + start, end: value.start + end };
      collect(bytes, element, renamed, edits);
    }
  } else if (first === OBJECT) {
    for (const member of membersAt(bytes, value.start)) {
      if (isUri(bytes, member)) rename(bytes, member, renamed, edits);
      else collect(bytes, member, renamed, edits);
    }
  }
}

function isUri(bytes: Uint8Array, member: Member): boolean {
  return bytes[member.start] === QUOTE && URI_NAMES.some((name) => hasName(bytes, member, name));
}

function rename(bytes: Uint8Array, { start, end }: Span, renamed: Renamed, edits: Edit[]): void {
  const uri: string = JSON.parse(decoder.decode(bytes.subarray(start, end)));
  const alias = renamed(uri);
  if (alias !== undefined) edits.push({ start, end, value: encoder.encode(JSON.stringify(alias)) });
}

interface Span {
  readonly start: number;
  readonly end: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const OBJECT = 0x7b;
const ARRAY = 0x5b;
const QUOTE = 0x22;
/** Where a message names resources. */
const PARTS = ["result", "params"].map((name) => nameOf(name));
/** Members that hold a URI: of contents, links, embedded resources, updates, and of MCP Apps. */
const URI_NAMES = ["uri", "resourceUri"].map((name) => nameOf(name));
