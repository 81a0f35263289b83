/**
 * Path and query of a request to an API. Arguments are encoded for their place, so that none can
 * change which operation is called.
 *
 * @module
 * @see contract.md, section 8, "REST tools"; security.md, TOOL-09
 */
import { LIMITS } from "../../domain/limits.ts";
import type { Placed, Plan } from "./plan.ts";
import { refused } from "./refused.ts";
import { inOneText, inPairs, type Pair, textOf } from "./styles.ts";
import { hasDotSegment, type Template } from "./url_template.ts";

/** An argument and its value, which is not `undefined`. */
export interface Given {
  readonly place: Placed;
  readonly value: unknown;
}

/**
 * The request target: origin-form (RFC 9112, section 3.2.1).
 * @param args those in the URL are taken from here
 * @param query arguments that go into the query besides
 * @throws {GatewayError} `invalid_params`
 */
export function requestTarget(
  plan: Plan,
  args: Readonly<Record<string, unknown>>,
  query: readonly Given[],
): string {
  const { template: { path, query: fixed }, inUrl } = plan;
  const pathText = filled(path, (name) => segmentOf(inUrl.get(name)!, args));
  if (path.names.length > 0 && hasDotSegment(pathText)) {
    throw refused(path.names[0]!, 'would make a path segment of "." or ".."');
  }
  const pairs: string[] = [];
  const queryText = filled(fixed, (name) => valueOf(inUrl.get(name)!, args));
  if (queryText !== "") pairs.push(queryText);
  for (const each of query) {
    for (const [name, value] of pairsOf(each, plan)) pairs.push(`${name}=${value}`);
  }
  const target = pairs.length === 0 ? pathText : `${pathText}?${pairs.join("&")}`;
  if (target.length > LIMITS.restTargetChars) throw refused(longest(args), "is too long for a URL");
  return target;
}

/** @throws {GatewayError} for what is no Unicode text */
export function encoderOf(name: string): (text: string) => string {
  return (text) => {
    if (!text.isWellFormed()) throw refused(name, "is not well-formed Unicode");
    // Sub-delimiters that some servers take for the end of a parameter, or for markup.
    return encodeURIComponent(text).replace(
      /['()*!]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  };
}

function filled({ texts, names }: Template, valueOf: (name: string) => string): string {
  let text = texts[0]!;
  for (let i = 0; i < names.length; i++) text += valueOf(names[i]!) + texts[i + 1]!;
  return text;
}

function segmentOf(place: Placed, args: Readonly<Record<string, unknown>>): string {
  const { name, as } = place;
  const value = Object.hasOwn(args, name) ? args[name] : undefined;
  const encode = encoderOf(name);
  const text = inOneText(place, as, asJson(place, value), encode);
  if (text === undefined) throw refused(name, "is missing, and stands in the path");
  // Without it, the path would be that of another operation.
  if (text === "") throw refused(name, "must not be empty: it stands in the path");
  return text;
}

function valueOf(place: Placed, args: Readonly<Record<string, unknown>>): string {
  const value = Object.hasOwn(args, place.name) ? args[place.name] : undefined;
  return inOneText(place, place.as, asJson(place, value), encoderOf(place.name)) ?? "";
}

function pairsOf({ place, value }: Given, plan: Plan): readonly Pair[] {
  const encode = encoderOf(place.name);
  const pairs = inPairs(place, place.as, asJson(place, value), encode);
  const isSpread = place.explode && typeof value === "object" && !Array.isArray(value);
  for (const [name] of isSpread || plan.fixedNames.has(place.as) ? pairs : []) {
    const isTaken = plan.fixedNames.has(decodeURIComponent(name)) || isOther(plan, place, name);
    if (isTaken) throw refused(place.name, "would set another parameter of the query");
  }
  return pairs;
}

/** Whether a member of the argument has the name of another parameter. */
function isOther({ placed }: Plan, own: Placed, name: string): boolean {
  if (own.style === "deepObject") return false;
  const text = decodeURIComponent(name);
  for (const other of placed.values()) {
    if (other !== own && other.in === "query" && other.as === text) return true;
  }
  return false;
}

function asJson({ contentType }: Placed, value: unknown): unknown {
  const isWanted = contentType !== undefined && value !== undefined && value !== null;
  return isWanted ? JSON.stringify(value) : value;
}

function longest(args: Readonly<Record<string, unknown>>): string {
  const sizes = Object.entries(args).map(([name, value]) => [name, textOf(value).length] as const);
  return sizes.sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
}
