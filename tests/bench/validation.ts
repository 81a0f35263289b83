/**
 * What it costs to check arguments against a schema, as a REST tool's always are: in this process,
 * since in a call it is a small part of the whole.
 *
 * @module
 */

import process from "node:process";

import { createArgumentCheck } from "../../src/policy/guardrails/argument_schema.ts";
import { median } from "./figures.ts";

const ARGUMENT_BYTES = 10_000;

/** What was found. */
export interface ValidationFigures {
  readonly bytes: number;
  /** The first call, which compiles the schema. */
  readonly firstMs: number;
  /** CPU time of each of the calls right after it, which V8 has not translated yet. */
  readonly earlyUs: number;
  /** Median of windows of calls after those. */
  readonly cpuUs: number;
}

const EARLY_CALLS = 100;
const WARM_CALLS = 3_000;
const WINDOW_CALLS = 300;

/** @throws {Error} when arguments that fit do not pass, or others do */
export function measureValidation(windows: number): ValidationFigures {
  const args = order();
  const schema = JSON.stringify(SCHEMA);
  const { check } = createArgumentCheck({
    isStrict: true,
    unusable: (reason) => {
      throw new Error(reason);
    },
  });
  const pass = (given: unknown): void => {
    const problem = check(SCHEMA, schema, given);
    if (problem !== undefined) throw new Error(problem);
  };
  const startMs = performance.now();
  pass(args);
  const firstMs = performance.now() - startMs;
  const unfit = { ...args, lines: [...args.lines.slice(0, -1), { ...args.lines[0], count: 0 }] };
  if (check(SCHEMA, schema, unfit) === undefined) throw new Error("What does not fit has passed");
  const text = JSON.stringify(args);
  const earlyUs = cpuUsOf(EARLY_CALLS, text, pass);
  for (let calls = 0; calls < WARM_CALLS; calls += WINDOW_CALLS) cpuUsOf(WINDOW_CALLS, text, pass);
  const each = Array.from({ length: windows }, () => cpuUsOf(WINDOW_CALLS, text, pass));
  return { bytes: text.length, firstMs, earlyUs, cpuUs: median(each) };
}

/** User and system time of this process for each call, each with arguments that were just read. */
function cpuUsOf(calls: number, text: string, call: (args: unknown) => void): number {
  const all: unknown[] = Array.from({ length: calls }, () => JSON.parse(text));
  const before = process.cpuUsage();
  for (const args of all) call(args);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

/** An order: every kind of keyword that schemas of tools usually have. */
const SCHEMA = {
  type: "object",
  required: ["id", "customer", "lines"],
  additionalProperties: false,
  properties: {
    id: { type: "string", format: "uuid" },
    customer: { $ref: "#/$defs/customer" },
    lines: { type: "array", minItems: 1, maxItems: 100, items: { $ref: "#/$defs/line" } },
  },
  $defs: {
    customer: {
      type: "object",
      required: ["mail"],
      properties: {
        name: { type: "string", minLength: 1 },
        mail: { type: "string", format: "email" },
      },
    },
    line: {
      type: "object",
      required: ["sku", "count", "price", "state"],
      additionalProperties: false,
      properties: {
        sku: { type: "string", pattern: "^[A-Z]{3}-[0-9]{4}$" },
        count: { type: "integer", minimum: 1 },
        price: { type: "number", exclusiveMinimum: 0 },
        state: { enum: ["open", "packed", "sent"] },
        note: { type: "string", maxLength: 500 },
        until: { type: "string", format: "date-time" },
        labels: { type: "array", items: { type: "string" }, uniqueItems: true },
      },
    },
  },
};

function order() {
  const lines: ReturnType<typeof lineOf>[] = [];
  const args = {
    id: "0b1e7a52-6f0c-4c1f-9a55-0d1f7f1c2b3a",
    customer: { name: "Ann Porter", mail: "ann@example.com" },
    lines,
  };
  while (JSON.stringify(args).length < ARGUMENT_BYTES) lines.push(lineOf(lines.length));
  return args;
}

function lineOf(at: number) {
  return {
    sku: `ABC-${1000 + at}`,
    count: at + 1,
    price: 9.5 + at,
    state: ["open", "packed", "sent"][at % 3],
    note: "Please leave it with the porter, who counts the guests and opens the gate",
    until: "2026-07-28T12:00:00Z",
    labels: ["porter", "gate"],
  };
}
