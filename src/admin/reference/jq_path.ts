/**
 * The filters of the reference system's tools: written in jq, although the member is called
 * `jsonpath_filter`. A path is the same in JSONPath, and so are its results, a list of what it finds;
 * anything beyond a path is a program, and has no like here.
 *
 * @module
 * @see reference/behaviour.md, section 4.5; RFC 9535
 */

/**
 * @param isOne whether the result itself is wanted, and no list of it, where the path leads to one
 *   place: then it is JMESPath
 * @returns empty for the path to all of it; `undefined` for what is no path
 */
export function filterOfJq(text: string, isOne: boolean): string | undefined {
  const steps = stepsOf(text.trim());
  if (steps === undefined) return undefined;
  if (isOne && !steps.includes(EACH)) return jmesPathOf(steps);
  return steps.length === 0 ? "" : `$${steps.map(jsonPathStep).join("")}`;
}

const EACH = Symbol("every element");
type Step = string | number | typeof EACH;

/** `.name`, `."name"`, `[0]`, `[]`, `["name"]`; a dot may stand before brackets. */
const STEP =
  /\.([A-Za-z_]\w*)|\.("(?:[^"\\]|\\.)*")|\.?\[\s*(-?\d{1,9})?\s*\]|\.?\[\s*("(?:[^"\\]|\\.)*")\s*\]/y;

function stepsOf(text: string): readonly Step[] | undefined {
  if (text === ".") return [];
  if (!text.startsWith(".")) return undefined;
  const steps: Step[] = [];
  STEP.lastIndex = 0;
  for (let at = 0; at < text.length; at = STEP.lastIndex) {
    const match = STEP.exec(text);
    if (match === null) return undefined;
    const [, name, dotted, index, bracketed] = match;
    const quoted = dotted ?? bracketed;
    const key = quoted === undefined ? name : unquoted(quoted);
    if (quoted !== undefined && key === undefined) return undefined;
    steps.push(key ?? (index === undefined ? EACH : Number(index)));
  }
  return steps;
}

/** What jq puts together from values, `\(…)`, is no name. */
function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function jsonPathStep(step: Step): string {
  if (step === EACH) return "[*]";
  if (typeof step === "number") return `[${step}]`;
  return isPlain(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

function jmesPathOf(steps: readonly Step[]): string {
  return steps.map((step, i) => {
    if (typeof step === "number") return `[${step}]`;
    const name = String(step);
    return `${i === 0 ? "" : "."}${isPlain(name) ? name : JSON.stringify(name)}`;
  }).join("");
}

function isPlain(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name);
}
