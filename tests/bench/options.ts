/**
 * The command line of the benchmark.
 *
 * @module
 */

import { parseArgs } from "node:util";

import { type BenchCase, type CaseName, CASES, HOLDING_NAMES, type HoldingName } from "./cases.ts";
import { CONTENDER_NAMES, type ContenderName } from "./contenders.ts";

const DOCUMENT = new URL("../../docs/performance.md", import.meta.url);

/** What a short look leaves out unless it is asked for: more of what the others show. */
const NOT_SHORT: readonly (ContenderName | CaseName | HoldingName)[] = [
  "mcp-1",
  "mcp-200",
  "mcp-silent",
  "mcp-session",
  "mcp-session-call-1k-32",
  "mcp-faulty-20",
  "sallyport-bridge",
  "bridge-call-1k-32",
  "bridge-session-call-1k-32",
  "bridge-side-by-side",
  "mcp-open",
  "mcp-callers",
  "mcp-silent",
  "callers-1k-32",
  "callers-side-by-side",
  "audit-side-by-side",
  "scale-50000",
  "rest-side-by-side",
];

export interface Options {
  readonly isShort: boolean;
  readonly isSoak: boolean;
  readonly contenders: readonly ContenderName[];
  readonly cases: readonly BenchCase[];
  readonly holdings: readonly HoldingName[];
  /** Where the report goes besides stdout; a run that is not whole does not touch the document. */
  readonly out: string | URL | undefined;
}

/** @throws {Error} when the command line is not understood */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      short: { type: "boolean", default: false },
      soak: { type: "boolean", default: false },
      contenders: { type: "string" },
      cases: { type: "string" },
      out: { type: "string" },
    },
  });
  const all = [...CASES.map(({ name }) => name), ...HOLDING_NAMES];
  const usual = <T extends ContenderName | CaseName | HoldingName>(names: readonly T[]) =>
    values.short ? names.filter((name) => !NOT_SHORT.includes(name)) : names;
  const contenders = choose(CONTENDER_NAMES, values.contenders) ?? usual(CONTENDER_NAMES);
  const names = choose(all, values.cases) ?? usual(all);
  const isWhole = contenders.length === CONTENDER_NAMES.length && names.length === all.length;
  const document = isWhole && !values.short ? DOCUMENT : undefined;
  return {
    isShort: values.short,
    isSoak: values.soak,
    contenders,
    cases: CASES.filter(({ name }) => names.includes(name)),
    holdings: HOLDING_NAMES.filter((name) => names.includes(name)),
    out: values.out ?? document,
  };
}

/** Undefined without a list. */
function choose<T extends string>(
  all: readonly T[],
  list: string | undefined,
): readonly T[] | undefined {
  if (list === undefined) return undefined;
  const names = list.split(",");
  const unknown = names.filter((name) => !all.some((item) => item === name));
  if (unknown.length > 0) {
    throw new Error(`Unknown "${unknown.join()}": choose from ${all.join()}`);
  }
  return all.filter((item) => names.includes(item));
}
