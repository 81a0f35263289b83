/**
 * Checks the arguments of a tool call against the tool's `inputSchema`, before an upstream server
 * is called.
 *
 * Schemas and arguments both come from outside. A schema that cannot be used, and a check that
 * would take too long, let everything pass: the upstream server validates too, and a tool that
 * works must not be unusable because of its schema.
 *
 * @module
 * @see security.md, LIM-12 and LIM-13
 */
import { isBoundedJson } from "../../domain/json_bounds.ts";
import { LIMITS } from "../../domain/limits.ts";
import { sentenceOf } from "./argument_sentence.ts";
import { compileSchema, type Validator } from "./dialect.ts";
import { createMeter } from "./meter.ts";
import { createPatterns } from "./pattern.ts";
import type { RuleDeps } from "./rules.ts";
import { copySchema, UnusableSchema } from "./schema_copy.ts";

export interface ArgumentCheck {
  /**
   * @param schemaKey stands for the schema for as long as it exists; the text is then not looked at
   * @param schemaText JSON text of the `inputSchema`
   * @param args parsed JSON, as deep as requests may be; `undefined` is the same as `{}`
   * @returns what is wrong with the arguments, as one sentence; `undefined` when nothing is known
   *   to be
   */
  readonly check: (schemaKey: object, schemaText: string, args: unknown) => string | undefined;
  /** Why a schema cannot be checked by, as one sentence; `undefined` when it can. */
  readonly faultOf: (schemaText: string) => string | undefined;
}

export interface ArgumentCheckOptions {
  /** How a sentence begins, when it is not about arguments. */
  readonly subject?: string;
  /** Nobody else checks: what cannot be checked does not fit. */
  readonly isStrict?: boolean;
  /**
   * Told once for each schema that is not checked by, or not always.
   * @param reason one sentence; holds text of the schema
   */
  readonly unusable: (reason: string, schemaKey: object) => void;
}

/** One schema. It is kept by its text and its keys; forgetting it empties it. */
interface Entry {
  readonly text: string;
  /** `undefined` when everything passes, or it has to be compiled again. */
  validator: Validator | undefined;
  state: "compiled" | "unusable" | "forgotten";
  isReported: boolean;
  /** Since it was last looked at for forgetting. */
  isUsed: boolean;
}

export function createArgumentCheck(options: ArgumentCheckOptions): ArgumentCheck {
  const deps: RuleDeps = { meter: createMeter(), patterns: createPatterns() };
  const { subject = "The arguments do not fit the schema of the tool" } = options;
  const unchecked = options.isStrict ? `${subject}: they cannot be checked.` : undefined;
  const byKey = new WeakMap<object, Entry>();
  const byText = new Map<string, Entry>();

  function report(entry: Entry, reason: unknown, key: object): void {
    if (entry.isReported) return;
    entry.isReported = true;
    options.unusable(reasonOf(reason), key);
  }

  function compile(entry: Entry, key: object): void {
    try {
      const { validator, skipped } = compileText(entry.text, deps);
      entry.validator = validator;
      entry.state = "compiled";
      if (skipped !== undefined) report(entry, skipped, key);
    } catch (error) {
      entry.state = "unusable";
      report(entry, error, key);
    }
  }

  /** Takes out the one that was not used for longest, roughly. */
  function makeRoom(): void {
    for (const [text, entry] of byText) {
      if (byText.size < LIMITS.schemasCompiled) return;
      byText.delete(text);
      if (entry.isUsed) {
        entry.isUsed = false;
        byText.set(text, entry);
      } else {
        entry.validator = undefined;
        entry.state = "forgotten";
      }
    }
  }

  function entryOf(key: object, text: string): Entry {
    const known = byKey.get(key);
    if (known !== undefined && known.state !== "forgotten") return known;
    let entry = byText.get(known?.text ?? text);
    if (entry === undefined) {
      makeRoom();
      entry = known ??
        { text, validator: undefined, state: "forgotten", isReported: false, isUsed: false };
      byText.set(entry.text, entry);
      compile(entry, key);
    }
    byKey.set(key, entry);
    return entry;
  }

  function check(key: object, text: string, args: unknown): string | undefined {
    const entry = entryOf(key, text);
    entry.isUsed = true;
    const validator = entry.validator;
    if (validator === undefined) return entry.state === "unusable" ? unchecked : undefined;
    deps.meter.start(LIMITS.checkUnits);
    try {
      return validator(args === undefined ? {} : args)
        ? undefined
        : sentenceOf(subject, validator.errors ?? []);
    } catch (error) {
      // A schema that refers to itself without end does so every time.
      if (error instanceof RangeError) {
        entry.validator = undefined;
        entry.state = "unusable";
      }
      report(entry, error, key);
      return unchecked;
    } finally {
      validator.errors = null;
    }
  }

  function faultOf(text: string): string | undefined {
    try {
      compileText(text, deps);
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  return { check, faultOf };
}

interface Compiled {
  /** `undefined` where everything fits. */
  readonly validator: Validator | undefined;
  /** Which rule is not checked, if there is one. */
  readonly skipped: string | undefined;
}

/** @throws {UnusableSchema}, or what the compiler throws */
function compileText(text: string, deps: RuleDeps): Compiled {
  if (text.length > LIMITS.schemaChars) throw new UnusableSchema("The schema is too large");
  const schema: unknown = JSON.parse(text);
  if (schema === true) return { validator: undefined, skipped: undefined };
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new UnusableSchema("The schema is not an object");
  }
  if (!isBoundedJson(schema, { depth: LIMITS.jsonDepth, nodes: LIMITS.jsonNodes })) {
    throw new UnusableSchema("The schema is nested too deep");
  }
  const copy = copySchema(schema, deps.patterns);
  return { validator: compileSchema(copy, deps), skipped: copy.skipped };
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return "The schema refers to itself without end";
  const text = error instanceof Error ? error.message : String(error);
  return text.toWellFormed().slice(0, REASON_CHARS_MAX);
}

const REASON_CHARS_MAX = 300;
