/**
 * What an API answers, as the result of a tool.
 *
 * @module
 * @see contract.md, section 8, "REST tools"; security.md, OUT-08
 */
import { Buffer } from "node:buffer";
import { GatewayError } from "../../domain/errors.ts";
import { isBoundedJson } from "../../domain/json_bounds.ts";
import { LIMITS } from "../../domain/limits.ts";
import { cleanedText } from "./error_text.ts";
import type { Filter } from "./filter.ts";
import { isJsonType } from "./request_body.ts";
import { type Content, errorResult, textResult, type ToolResult } from "./tool_result.ts";

/** What is known of the tool when its answer is looked at. */
export interface ReplyRules {
  readonly name: string;
  readonly hostname: string;
  readonly filter: Filter | undefined;
  /** Says what is wrong with a value of the output schema; absent where there is no schema. */
  readonly outputFault: ((value: unknown) => string | undefined) | undefined;
}

export interface RestReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Valid as long as it is looked at. */
  readonly body: Uint8Array;
}

/** @param isModern whether the client takes structured content that is no object */
export function resultOf(rules: ReplyRules, reply: RestReply, isModern: boolean): ToolResult {
  const { status, headers, body } = reply;
  const type = headers.get("content-type") ?? "";
  const essence = type.split(";", 1)[0]!.trim().toLowerCase();
  if (status < 200 || status >= 300) return refusal(rules, reply, charsetOf(type));
  const isEmpty = body.length === 0;
  const isJson = !isEmpty && (isJsonType(essence) || essence === "" && startsAsJson(body));
  if (isJson) return jsonResult(rules, textOf(body), isModern);
  const content = isEmpty ? undefined : contentOf(rules, essence, charsetOf(type), body);
  if (rules.filter !== undefined || rules.outputFault !== undefined) {
    const needs = rules.filter === undefined ? "an output schema" : "a filter";
    const text = `The tool has ${needs}, and the reply (HTTP ${status}) is no JSON`;
    // What a filter was to take away must not be shown for want of one.
    return errorResult(text, rules.filter || content === undefined ? [] : [content]);
  }
  if (content !== undefined) return { content: [content] };
  return textResult(`The request was carried out; the reply (HTTP ${status}) has no content`);
}

/** Of HEAD there is nothing but the head. */
export function headResult({ status, headers }: Omit<RestReply, "body">): ToolResult {
  if (status < 200 || status >= 300) return errorResult(`The API answered HTTP ${status}`);
  const shown = SHOWN_HEADERS.filter((name) => headers.has(name));
  const value = { status, headers: Object.fromEntries(shown.map((n) => [n, headers.get(n)])) };
  return { ...textResult(JSON.stringify(value)), structuredContent: value };
}

const SHOWN_HEADERS = ["content-type", "content-length", "last-modified", "etag", "cache-control"];

function jsonResult(rules: ReplyRules, raw: string, isModern: boolean): ToolResult {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    const text = "The reply is said to be JSON, and is not";
    return errorResult(text, rules.filter === undefined ? [{ type: "text", text: raw }] : []);
  }
  let text = raw;
  if (rules.filter !== undefined) {
    try {
      value = rules.filter.apply(value) ?? null;
    } catch (error) {
      if (error instanceof GatewayError) return errorResult(error.message);
      throw error;
    }
    text = JSON.stringify(value);
  }
  const isBounded = isBoundedJson(value, BOUNDS);
  if (rules.outputFault !== undefined) {
    const fault = isBounded ? rules.outputFault(value) : "The reply is too large for its schema";
    if (fault !== undefined) return errorResult(fault, [{ type: "text", text }]);
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const isStructured = isBounded && (isObject || isModern);
  return isStructured ? { ...textResult(text), structuredContent: value } : textResult(text);
}

/** Around it, there are the members of the message. */
const BOUNDS = { depth: LIMITS.jsonDepth - 4, nodes: LIMITS.restReplyNodes };

function contentOf(
  { name }: ReplyRules,
  essence: string,
  charset: string,
  body: Uint8Array,
): Content {
  const mimeType = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(essence)
    ? essence
    : "application/octet-stream";
  if (isText(essence) || essence === "" && isUtf8(body)) {
    return { type: "text", text: textOf(body, charset) };
  }
  const data = base64(body);
  if (mimeType.startsWith("image/")) return { type: "image", data, mimeType };
  if (mimeType.startsWith("audio/")) return { type: "audio", data, mimeType };
  const uri = `sallyport://tools/${encodeURIComponent(name.toWellFormed())}/reply`;
  return { type: "resource", resource: { uri, mimeType, blob: data } };
}

function refusal({ hostname }: ReplyRules, reply: RestReply, charset: string): ToolResult {
  const { status, body } = reply;
  const what = status >= 300 && status < 400 ? ", a redirect that is not followed" : "";
  // Bytes that are no text would only be noise.
  const text = isUtf8(body) || charset !== "utf-8"
    ? cleanedText(textOf(body, charset), hostname)
    : "";
  return errorResult(`The API answered HTTP ${status}${what}${text === "" ? "" : `: ${text}`}`);
}

function isText(essence: string): boolean {
  return essence.startsWith("text/") || TEXT.test(essence);
}

const TEXT =
  /^application\/(?:xml|yaml|x-yaml|javascript|ecmascript|graphql|x-ndjson|jsonl?|json-seq|sql|toml|x-www-form-urlencoded)$|^(?!image\/).*\+(?:xml|yaml)$/;

function startsAsJson(body: Uint8Array): boolean {
  const first = body.find((byte) => byte > 0x20);
  return first === 0x7b || first === 0x5b;
}

function charsetOf(type: string): string {
  return /;\s*charset="?([\w-]{1,40})/i.exec(type)?.[1]?.toLowerCase() ?? "utf-8";
}

const utf8 = new TextDecoder();
function textOf(body: Uint8Array, charset = "utf-8"): string {
  if (charset === "utf-8") return utf8.decode(body);
  try {
    return new TextDecoder(charset).decode(body);
  } catch {
    return utf8.decode(body);
  }
}

function isUtf8(body: Uint8Array): boolean {
  try {
    // The end may have been cut off.
    new TextDecoder("utf-8", { fatal: true }).decode(body, { stream: true });
    return !body.includes(0);
  } catch {
    return false;
  }
}

function base64(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString("base64");
}
