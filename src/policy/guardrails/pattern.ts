/**
 * Regular expressions of upstream servers, matched in linear time (RE2).
 *
 * Linear still is the size of the program times the length of the text: both are bounded before
 * anything is compiled or matched.
 *
 * @module
 */
import { RE2JS } from "re2js";
import { LIMITS } from "../../domain/limits.ts";
import type { Meter } from "./meter.ts";

export interface Pattern {
  /** Instructions of the program that it became. */
  readonly size: number;
  /** What matching this text costs. */
  readonly units: (text: string) => number;
  /** Whether it matches anywhere in the text. */
  readonly test: (text: string) => boolean;
}

/** `undefined` for what is no pattern, is too large, or cannot be matched in linear time. */
export type PatternSource = (pattern: string) => Pattern | undefined;

export function createPatterns(): PatternSource {
  const kept = new Map<string, Pattern | undefined>();
  return (text) => {
    if (kept.has(text)) return kept.get(text);
    const pattern = compiled(text);
    if (kept.size >= LIMITS.patternsKept) kept.delete(kept.keys().next().value!);
    kept.set(text, pattern);
    return pattern;
  };
}

/** @throws {Unchecked} when it would cost too much */
export function isMatch(pattern: Pattern, text: string, meter: Meter): boolean {
  meter.spend(pattern.units(text));
  return pattern.test(text);
}

function compiled(text: string): Pattern | undefined {
  if (programSizeMax(text) > LIMITS.patternProgramSize) return undefined;
  try {
    const re2 = RE2JS.compile(RE2JS.translateRegExp(text));
    const size = re2.matcher("").programSize();
    return {
      size,
      units: ({ length }) => UNITS_PER_MATCH + Math.ceil(size * length / STEPS_PER_UNIT),
      test: (subject) => re2.test(subject),
    };
  } catch {
    // A lookaround, a backreference, a syntax that is none.
    return undefined;
  }
}

const UNITS_PER_MATCH = 4;
/** Instructions times characters; measured 5 to 20 ns each. */
const STEPS_PER_UNIT = 8;

/** Never less than the program that the pattern becomes: a repeat is a copy for each time. */
function programSizeMax(pattern: string): number {
  if (pattern.length > LIMITS.patternChars) return Infinity;
  let size = pattern.length;
  let factor = 1;
  for (const match of pattern.matchAll(/(\)?)\{(\d+)(?:,(\d*))?\}/g)) {
    const times = Math.max(Number(match[2]), Number(match[3] ?? 0), 1);
    // A group repeats whatever is in it, which may be anything before.
    if (match[1] === ")") factor *= times;
    else size += times;
  }
  // The tables of a class of Unicode are work to put together.
  size += UNICODE_CLASS_SIZE * (pattern.match(/\\p/gi)?.length ?? 0);
  return size * factor;
}

const UNICODE_CLASS_SIZE = 40;
