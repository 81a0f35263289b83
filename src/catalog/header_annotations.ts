/**
 * `x-mcp-header` in the schema of a tool's arguments: which annotations a client may act on.
 *
 * @module
 * @see MCP 2026-07-28, Server Features, "Tools", "x-mcp-header"
 */

const ANNOTATION = "x-mcp-header";
/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PLAIN_TYPES: readonly unknown[] = ["string", "integer", "boolean"];
/** Members that hold values, in which nothing is a schema. */
const VALUES: readonly string[] = ["default", "const", "enum", "examples", ANNOTATION];
/** Members that hold schemas by names of the author's choice. */
const NAMED_SCHEMAS: readonly string[] = [
  "properties",
  "patternProperties",
  "dependentSchemas",
  "$defs",
  "definitions",
];

/**
 * What is wrong with the annotations in a schema; `undefined` when a client can follow them all.
 * @param schema of bounded depth
 */
export function flawOfHeaders(schema: unknown): string | undefined {
  const seen = new Set<string>();

  /** @param isReachable whether only `properties` lead here */
  function flawAt(node: unknown, isReachable: boolean): string | undefined {
    if (Array.isArray(node)) return firstFlaw(node, (element) => flawAt(element, false));
    if (!isObject(node)) return undefined;
    if (Object.hasOwn(node, ANNOTATION)) {
      const flaw = flawOfOne(node, isReachable);
      if (flaw !== undefined) return flaw;
    }
    return firstFlaw(Object.entries(node), ([name, value]) => {
      if (VALUES.includes(name)) return undefined;
      if (!NAMED_SCHEMAS.includes(name) || !isObject(value)) return flawAt(value, false);
      const leadsOn = isReachable && name === "properties";
      return firstFlaw(Object.values(value), (schema) => flawAt(schema, leadsOn));
    });
  }

  function flawOfOne(node: Members, isReachable: boolean): string | undefined {
    const name = node[ANNOTATION];
    if (typeof name !== "string" || !TOKEN.test(name)) {
      return `"${ANNOTATION}" is not the name of a header`;
    }
    if (!isReachable) return `"${ANNOTATION}" stands where no argument can be found`;
    if (!PLAIN_TYPES.includes(node.type)) {
      return `"${ANNOTATION}" is on something else than a string, an integer or a boolean`;
    }
    const key = name.toLowerCase();
    if (seen.has(key)) return `"${ANNOTATION}" names a header twice`;
    seen.add(key);
    return undefined;
  }

  return flawAt(schema, true);
}

type Members = Readonly<Record<string, unknown>>;

function firstFlaw<T>(
  all: readonly T[],
  flawOf: (one: T) => string | undefined,
): string | undefined {
  for (const one of all) {
    const flaw = flawOf(one);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An argument that a client repeats as a header. */
export interface HeaderSource {
  /** What follows `Mcp-Param-`. */
  readonly header: string;
  /** Names of members, from the arguments inwards. */
  readonly path: readonly string[];
}

/** All that a schema names; none of a schema with a flaw. */
export function headersIn(schema: unknown): readonly HeaderSource[] {
  const sources: HeaderSource[] = [];

  function collect(node: unknown, path: readonly string[]): void {
    if (!isObject(node)) return;
    const header = node[ANNOTATION];
    if (typeof header === "string") sources.push({ header, path });
    if (!isObject(node.properties)) return;
    for (const [name, value] of Object.entries(node.properties)) collect(value, [...path, name]);
  }

  if (flawOfHeaders(schema) === undefined) collect(schema, []);
  return sources;
}
