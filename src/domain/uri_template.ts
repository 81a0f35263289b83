/**
 * URI templates, read backwards: does a URI come from a template, and with which values?
 *
 * There is no backtracking, as there would be in a regular expression: from the last part of the
 * template to the first, one pass over the text finds the places from which all that follows fits.
 * The time is the number of parts times the length, whatever the text.
 *
 * More is taken than a strict expansion would give: reserved characters that clients leave as they
 * are (all but `/`, `?` and `#`), and names of a query in any order. Whoever owns the template
 * decides what it answers. A variable that stands there twice may have two values.
 *
 * @module
 * @see RFC 6570, all four levels
 */
import { LIMITS } from "./limits.ts";
import { literalOf, type Part, startsOf, type Variable } from "./uri_parts.ts";
import { longest, readValues, type Values } from "./uri_values.ts";

export interface UriTemplate {
  /** As it was parsed. */
  readonly text: string;
  /** In order, each once. */
  readonly variables: readonly string[];
  /** Literal text that every fitting URI begins with. */
  readonly head: string;
  readonly parts: readonly Part[];
  readonly specificity: number;
}

/** `undefined` for what is no template, or has more of something than anybody needs. */
export function parseUriTemplate(text: string): UriTemplate | undefined {
  if (text.length > LIMITS.uriTemplateChars) return undefined;
  const parts: Part[] = [];
  const names: string[] = [];
  // Odd pieces are expressions: neither they nor literals hold braces.
  for (const [i, piece] of text.split(/\{([^{}]*)\}/).entries()) {
    if (i % 2 === 0) {
      if (/[{}]/.test(piece)) return undefined;
      addLiteral(parts, encoded(piece));
      continue;
    }
    const expression = parseExpression(piece);
    if (expression === undefined) return undefined;
    names.push(...expression.variables.map(({ name }) => name));
    addExpression(parts, expression);
  }
  if (names.length > LIMITS.uriTemplateVariables || parts.length > LIMITS.uriTemplateParts) {
    return undefined;
  }
  const head = parts[0]?.kind === "literal" ? parts[0].text : "";
  const rest = head === "" ? parts : parts.slice(1);
  return { text, variables: [...new Set(names)], head, parts: rest, specificity: rank(parts) };
}

/** Whether the template gives this URI for some values. URIs over 8 KiB do not match. */
export function matchUri(template: UriTemplate, uri: string): boolean {
  return placesOf(template, uri) !== undefined;
}

/**
 * The values that make this URI, percent-decoded; `undefined` when none do. Exploded variables and
 * names that stand in a query more than once are lists, absent variables are missing. Where
 * several readings are possible, earlier variables take as much as they can.
 */
export function matchVariables(
  template: UriTemplate,
  uri: string,
): Record<string, string | string[]> | undefined {
  const found = placesOf(template, uri);
  if (found === undefined) return undefined;
  const values: Values = new Map();
  let at = 0;
  for (const [i, part] of template.parts.entries()) {
    const end = longest(part, found.text, at, found.places[i + 1]!);
    readValues(part, found.text.slice(at, end), values);
    at = end;
  }
  return Object.fromEntries(values);
}

/** Higher for what should be tried first: more literal text, then fewer and narrower variables. */
export function specificity(template: UriTemplate): number {
  return template.specificity;
}

interface Expression {
  readonly operator: string;
  readonly variables: readonly Variable[];
}

/** Hyphens are not in the RFC's names, but in those of real servers. */
const VARIABLE =
  /^((?:[\w-]|%[\da-fA-F]{2})+(?:\.(?:[\w-]|%[\da-fA-F]{2})+)*)(?:(\*)|:([1-9]\d{0,3}))?$/;

function parseExpression(text: string): Expression | undefined {
  const operator = /^[+#./;?&]/.exec(text)?.[0] ?? "";
  const variables: Variable[] = [];
  for (const spec of text.slice(operator.length).split(",")) {
    const match = VARIABLE.exec(spec);
    if (match === null) return undefined;
    const [, name, star, charsMax] = match;
    variables.push({
      name: name!,
      isExploded: star !== undefined,
      charsMax: Number(charsMax ?? Infinity),
    });
  }
  return { operator, variables };
}

function addLiteral(parts: Part[], text: string): void {
  const last = parts.at(-1);
  if (last?.kind === "literal") parts[parts.length - 1] = literalOf(last.text + text);
  else if (text !== "") parts.push(literalOf(text));
}

function addExpression(parts: Part[], { operator, variables }: Expression): void {
  if (operator === "#") {
    parts.push({ kind: "fragment", variables });
  } else if (operator === "?" || operator === "&" || operator === ";") {
    const rest = variables.find(({ isExploded }) => isExploded)?.name;
    const separator = operator === ";" ? ";" : "&";
    const names = new Set(variables.map(({ name }) => name));
    parts.push({ kind: "pairs", first: operator, separator, variables, names, rest });
  } else {
    const isPrefixed = operator === "." || operator === "/";
    const separator = isPrefixed ? operator : ",";
    for (const [i, { name, isExploded, charsMax }] of variables.entries()) {
      if (isPrefixed || i > 0) addLiteral(parts, separator);
      parts.push({
        kind: "run",
        name,
        isReserved: operator === "+",
        separator: isExploded ? separator : undefined,
        charsMax,
      });
    }
  }
}

function rank(parts: readonly Part[]): number {
  let literalChars = 0;
  let width = 0;
  for (const part of parts) {
    if (part.kind === "literal") literalChars += part.text.length;
    else if (part.kind !== "run") width += 2 * part.variables.length;
    else width += part.isReserved || part.separator !== undefined ? 2 : 1;
  }
  return literalChars * (2 * LIMITS.uriTemplateVariables + 1) - width;
}

interface Places {
  /** What follows the head. */
  readonly text: string;
  /** For each part, and the end: 1 at each place from where it and all that follow fit. */
  readonly places: readonly Uint8Array[];
}

function placesOf({ head, parts }: UriTemplate, uri: string): Places | undefined {
  if (uri.length > LIMITS.uriChars) return undefined;
  const whole = encoded(uri);
  if (whole.length > LIMITS.uriChars || !whole.startsWith(head)) return undefined;
  const text = whole.slice(head.length);
  const places: Uint8Array[] = [new Uint8Array(text.length + 1).fill(1, text.length)];
  for (const part of parts.toReversed()) {
    const starts = startsOf(part, text, places[0]!);
    if (!starts.includes(1)) return undefined;
    places.unshift(starts);
  }
  return places[0]![0] === 1 ? { text, places } : undefined;
}

/** With what may not stand in a URI as percent-escapes (RFC 3986), which is how it is expanded. */
function encoded(text: string): string {
  return /[^\w.~:/?#[\]@!$&'()*+,;=%-]/.test(text)
    ? text.toWellFormed().replace(/[^\w.~:/?#[\]@!$&'()*+,;=%-]+/g, encodeURIComponent)
    : text;
}
