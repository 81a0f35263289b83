/**
 * Names of tools that are made of operations.
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */

/**
 * The same document always gives the same names: an import finds its tools again by them.
 * @param taken names given so far
 */
export function toolName(
  { operationId, method, path, prefix }: {
    readonly operationId: unknown;
    readonly method: string;
    readonly path: string;
    readonly prefix: string;
  },
  taken: ReadonlySet<string>,
): string {
  const own = typeof operationId === "string" ? operationId : "";
  const isKept = /^[A-Za-z0-9_-]+$/.test(own);
  const made = isKept ? own : plain(own) || plain(`${method.toLowerCase()}_${plain(path)}`);
  const base = cut(`${prefix}${made}`, CHARS_MAX);
  if (!taken.has(base)) return base;
  for (let i = 2;; i++) {
    const end = `_${i}`;
    const name = cut(base, CHARS_MAX - end.length) + end;
    if (!taken.has(name)) return name;
  }
}

const CHARS_MAX = 64;

function plain(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, "_").replace(/^_+|_+$/g, "");
}

function cut(text: string, max: number): string {
  return text.slice(0, max);
}
