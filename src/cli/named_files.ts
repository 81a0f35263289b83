/**
 * The files that `export` and `import` are given by name. The launcher has to allow them before the
 * command is even loaded.
 *
 * @module
 */
import { looselyParsed } from "./args.ts";
import type { NamedFiles } from "./permissions.ts";

export const EXPORT_OPTIONS = { "passphrase-file": { type: "string" } } as const;

/** Of a bundle. */
export const IMPORT_OPTIONS = {
  ...EXPORT_OPTIONS,
  strategy: { type: "string" },
  "dry-run": { type: "boolean" },
} as const;

/** Of an OpenAPI document. */
export const OPEN_API_OPTIONS = {
  "base-url": { type: "string" },
  prefix: { type: "string" },
} as const;

/** Whether `import` is followed by `openapi`, wherever options stand. */
export function isOpenApi(args: readonly string[]): boolean {
  return importParsed(args).positionals[0] === "openapi";
}

/** What the launcher has to allow. */
export function namedFiles([command, ...args]: readonly string[]): NamedFiles {
  if (command !== "import" && command !== "export") return {};
  const { positionals, values } = importParsed(args);
  const skipped = command === "import" && isOpenApi(args) ? 1 : 0;
  const named = positionals.slice(skipped).slice(0, 1);
  const secret = values["passphrase-file"];
  const read = typeof secret === "string" ? [secret] : [];
  return command === "import" ? { read: [...named, ...read] } : { read, write: named };
}

function importParsed(args: readonly string[]) {
  return looselyParsed(args, { ...IMPORT_OPTIONS, ...OPEN_API_OPTIONS });
}
