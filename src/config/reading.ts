/**
 * What the readers of the config file's entries share: where findings go, and `${NAME}`.
 *
 * Problems make an entry unusable; notes say what was read over. Neither shows the value of a
 * variable, nor what stands where a secret belongs.
 *
 * @module
 */
import type { z } from "zod";

/**
 * Value of an environment variable, `undefined` when it is not set.
 * @throws {Error} with the reason, when this process may not know
 */
export type Lookup = (name: string) => string | undefined;

export interface Reading {
  readonly problems: string[];
  readonly notes: string[];
  readonly lookup: Lookup;
  /** Receives the names that entries refer to. */
  readonly variables: Set<string>;
}

/** `undefined` after a problem, and for what an entry that is disabled takes from a variable. */
export type Substitute = (text: string, path: string) => string | undefined;

/** @param isDisabled its variables are not looked at: they need not be set, nor be allowed */
export function createSubstitute(reading: Reading, isDisabled: boolean): Substitute {
  const { problems, notes, lookup, variables } = reading;

  function valueOf(name: string, path: string): string | undefined {
    if (isDisabled) return undefined;
    variables.add(name);
    try {
      const value = lookup(name);
      if (value === undefined) problems.push(`${path}: the environment has no ${name}`);
      return value;
    } catch (error) {
      problems.push(`${path}: ${(error as Error).message}`);
      return undefined;
    }
  }

  return (text, path) => {
    let isComplete = true;
    const full = text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const value = valueOf(name, path);
      isComplete &&= value !== undefined;
      return value ?? "";
    });
    // Not shown: other clients write default values into it, and those may be secrets.
    if (/\$\{(?![A-Za-z_][A-Za-z0-9_]*\})/.test(text)) {
      notes.push(`${path} holds a "\${" that is not \${NAME}: taken as it stands`);
    }
    return isComplete ? full : undefined;
  };
}

/** Checks an entry's form; every way in which it is wrong becomes a problem. */
export function readShape<T>(
  { problems }: Reading,
  schema: z.ZodType<T>,
  value: unknown,
  path: string,
): T | undefined {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    problems.push(`${[path, ...issue.path].join(".")}: ${issue.message}`);
  }
  return undefined;
}

/** Notes the members that no schema knows. */
export function noteUnknown(
  { notes }: Reading,
  value: object,
  known: Readonly<Record<string, unknown>>,
  path: string,
): void {
  for (const field of Object.keys(value)) {
    if (!Object.hasOwn(known, field)) notes.push(`${path}.${field} is not known and was skipped`);
  }
}
