/**
 * JMESPath, with an account of what it costs.
 *
 * @module
 * @see JMESPath Community specification; security.md, LIM-12
 */
import { compile, getRegisteredFunctions, TreeInterpreter } from "@jmespath-community/jmespath";
import { CHARS_PER_STEP, type Steps } from "./steps.ts";

type Interpreter = typeof TreeInterpreter;
type Node = ReturnType<typeof compile>;
type Json = Parameters<Interpreter["search"]>[1];

/**
 * @returns gives the value of the expression
 * @throws {Error} saying where the expression is wrong
 */
export function compileJmesPath(text: string, steps: Steps): (value: unknown) => unknown {
  const expression = compile(text);
  /** What is compared, or written down, with all that is in it. */
  const deep = new Set<object>();
  look(expression, deep);
  const interpreter = metered(ownInterpreter(), steps, deep);
  return (value) => interpreter.search(expression, asJson(value));
}

/** What `JSON.parse` gave; the library has a name for that. */
function asJson(value: unknown): Json {
  return value as Json;
}

/** The library has one for everybody, and does not show how it is made. */
function ownInterpreter(): Interpreter {
  return Reflect.construct(TreeInterpreter.constructor, []);
}

/** Finds unknown functions before they are called. */
function look(node: unknown, deep: Set<object>): void {
  if (Array.isArray(node)) return node.forEach((each) => look(each, deep));
  if (typeof node !== "object" || node === null) return;
  const { type, name, left, right, children } = node as Record<string, unknown>;
  if (type === "Literal") return;
  if (type === "Comparator") { for (const side of [left, right]) addTo(deep, side); }
  if (type === "Function") {
    if (!isCallable(String(name))) throw new Error(`Unknown function: ${name}()`);
    if (DEEP.has(String(name)) && Array.isArray(children)) {
      for (const each of children) addTo(deep, each);
    }
  }
  for (const each of Object.values(node)) look(each, deep);
}

function addTo(deep: Set<object>, node: unknown): void {
  if (typeof node === "object" && node !== null) deep.add(node);
}

function isCallable(name: string): boolean {
  return !ENDLESS.has(name) && getRegisteredFunctions().includes(name);
}

/** A few characters ask these for any amount of text. */
const ENDLESS: ReadonlySet<string> = new Set(["pad_left", "pad_right", "replace"]);
const DEEP: ReadonlySet<string> = new Set(["to_string", "contains"]);

function metered(interpreter: Interpreter, steps: Steps, deep: ReadonlySet<object>): Interpreter {
  const visit = interpreter.visit.bind(interpreter);
  const withScope = interpreter.withScope.bind(interpreter);
  const { runtime } = interpreter;
  const call = runtime.callFunction.bind(runtime);
  interpreter.visit = (node: Node, value) => {
    steps.spend(1);
    // Of a value only what it holds itself: nothing of the language's.
    if (node.type === "Field" && !isMember(value, node.name)) return null;
    const result = visit(node, value);
    if (deep.has(node)) steps.spendOnAll(result);
    else steps.spend(widthOf(result));
    return result;
  };
  interpreter.withScope = (scope) => metered(withScope(scope), steps, deep);
  runtime.callFunction = (name, args) => {
    // Of texts that are joined, the one between them is repeated.
    if (name === "join") steps.spend(widthOf(args[0]) * itemsOf(args[1]));
    for (const each of args) steps.spend(itemsOf(each));
    return call(name, args);
  };
  return interpreter;
}

function isMember(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name);
}

function itemsOf(value: unknown): number {
  return Array.isArray(value) ? value.length : widthOf(value);
}

/** A list that came to be is one of pointers. */
function widthOf(value: unknown): number {
  if (typeof value === "string") return value.length / CHARS_PER_STEP;
  return Array.isArray(value) ? value.length / CHARS_PER_STEP : 0;
}
