/**
 * What a setting is, and the parsers for its value. A parser throws `Error` with what is wanted;
 * the loader puts the setting's name in front.
 *
 * @module
 */
import { parseDuration } from "../domain/duration.ts";
import { type Block, parseBlock } from "../platform/addresses.ts";

export { parseDuration };
export { parseRate as rate } from "../domain/rate.ts";

export interface Entry<T> {
  /** The name in the environment and in the config file's `settings`. */
  readonly env: string;
  readonly parse: (text: string) => T;
  /** As an operator would write it; `undefined` when the setting may be absent. */
  readonly default: string | undefined;
  /** One sentence for `--help`, documentation and `doctor`. */
  readonly help: string;
  /** Never printed. */
  readonly isSecret: boolean;
}

export function entry<T>(
  definition: Omit<Entry<T>, "isSecret" | "default"> & { default: string },
): Entry<T> {
  return { isSecret: false, ...definition };
}

/** A setting that may be absent. */
export function optionalEntry<T>(
  definition: Omit<Entry<T>, "isSecret" | "default"> & { isSecret?: boolean },
): Entry<T | undefined> {
  return { isSecret: false, ...definition, default: undefined };
}

/** A duration between two others, both included. */
export function duration(bounds: { min: string; max: string }): (text: string) => number {
  const [min, max] = [parseDuration(bounds.min), parseDuration(bounds.max)];
  return (text) => {
    const ms = parseDuration(text);
    if (ms < min || ms > max) throw new Error(`must be between ${bounds.min} and ${bounds.max}`);
    return ms;
  };
}

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["b", 1],
  ["kib", 2 ** 10],
  ["mib", 2 ** 20],
  ["gib", 2 ** 30],
  ["kb", 1e3],
  ["mb", 1e6],
  ["gb", 1e9],
]);

/** `4MiB`, `512KiB`; a bare number is bytes. At least 1 KiB. */
export function size(bounds: { max: string }): (text: string) => number {
  const max = parseSize(bounds.max);
  return (text) => {
    const bytes = parseSize(text);
    if (bytes < 1024 || bytes > max) throw new Error(`must be between 1KiB and ${bounds.max}`);
    return bytes;
  };
}

function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = SIZE_UNITS.get(match?.[2]?.toLowerCase() ?? "?");
  if (!match || unit === undefined) throw new Error('must be a size such as "4MiB"');
  return Math.round(Number(match[1]) * unit);
}

export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** Text of a form. @param what says which, in words */
export function matching(form: RegExp, what: string): (text: string) => string {
  return (text) => {
    if (form.test(text)) return text;
    throw new Error(`must be ${what}`);
  };
}

export function boolean(text: string): boolean {
  const value = text.trim().toLowerCase();
  if (["true", "1", "yes", "on"].includes(value)) return true;
  if (["false", "0", "no", "off"].includes(value)) return false;
  throw new Error('must be "true" or "false"');
}

export function oneOf<const T extends string>(...values: readonly T[]): (text: string) => T {
  return (text) => {
    const value = text.trim().toLowerCase();
    const found = values.find((v) => v.toLowerCase() === value);
    if (found === undefined) throw new Error(`must be one of ${values.join(", ")}`);
    return found;
  };
}

export function text(value: string): string {
  if (value.trim() === "") throw new Error("must not be empty");
  return value;
}

/** An `http` or `https` origin: no path, no query, no credentials. */
export function origin(value: string): string {
  const trimmed = value.trim().replace(/\/$/, "");
  const url = URL.canParse(trimmed) ? new URL(trimmed) : undefined;
  // Lists are exact: a pattern would be accepted and never match.
  const isExact = url?.origin === trimmed.toLowerCase() && !trimmed.includes("*");
  if (!url || !/^https?:$/.test(url.protocol) || !isExact) {
    throw new Error('must be an origin such as "https://mcp.example.com", without a path');
  }
  return url.origin;
}

/** A list separated by commas or spaces, or a JSON list. */
export function list<T>(item: (text: string) => T): (text: string) => readonly T[] {
  return (value) => {
    const trimmed = value.trim();
    if (trimmed === "") return [];
    // An IPv6 host begins with a bracket too.
    if (!/^\[\s*["\]]/.test(trimmed)) return trimmed.split(/[\s,]+/).filter(Boolean).map(item);
    return parseList(trimmed).map((entry) => item(String(entry)));
  };
}

function parseList(text: string): readonly unknown[] {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('must be a list such as ["a", "b"], or names separated by commas');
  }
}

/** A host with its port where that is not the scheme's own: `mcp.example.com`, `gateway:4444`. */
export function host(value: string): string {
  const lower = value.trim().toLowerCase();
  if (!/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/.test(lower)) {
    throw new Error(`must name hosts, with a port where there is one; "${value}" is not a host`);
  }
  return lower;
}

/** An address, or a block of them. */
export function block(value: string): Block {
  const found = parseBlock(value.trim());
  if (found !== undefined) return found;
  throw new Error(
    `must list addresses and blocks such as "10.0.0.0/8" or "fd00::/8"; "${value}" is none`,
  );
}

/** Headers that say something else already, or that anybody else's software sets. */
const TAKEN_HEADER =
  /^(?:authorization|cookie|host|origin|connection|content-.*|transfer-encoding|accept|mcp-.*|last-event-id|x-forwarded-.*|forwarded)$/i;

/** The name of a header of its own. @see RFC 9110, section 5.6.2 */
export function headerName(value: string): string {
  const name = value.trim();
  if (/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name) && !TAKEN_HEADER.test(name)) return name;
  throw new Error('must be the name of a header of its own, such as "X-Authenticated-User"');
}

const SECRET_CHARS_MIN = 32;

/** Keys that stand in examples, documentation and other products' defaults. */
const SAMPLE_SECRET = /^(?:my-test-(?:key|salt)|change-?me|replace-?me|your-)/i;

/** A key of at least 32 bytes that is not a known sample. The value is never repeated. */
export function secret(value: string): string {
  if (new TextEncoder().encode(value).length < SECRET_CHARS_MIN) {
    throw new Error(
      `must be at least ${SECRET_CHARS_MIN} bytes long; make one with "openssl rand -base64 48"`,
    );
  }
  if (SAMPLE_SECRET.test(value)) {
    throw new Error('is a sample key; make one with "openssl rand -base64 48"');
  }
  return value;
}

/** A secret that can stand in a header as it is. */
export function headerSecret(value: string): string {
  if (/^[!-~]*$/.test(value)) return secret(value);
  throw new Error("must be printable ASCII without spaces");
}
