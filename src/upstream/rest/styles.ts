/**
 * Arguments as text: how lists and objects are written in a path, a query, a header or a form.
 *
 * @module
 * @see OpenAPI 3.1.1, "Style Values"; RFC 6570
 */
import type { ParameterStyle } from "../../domain/rest_tool.ts";

export interface Style {
  readonly style: ParameterStyle;
  readonly explode: boolean;
}

/** Makes of one value what may stand in its place. @throws for what may not */
export type Encode = (text: string) => string;

/** Name and value, both encoded. */
export type Pair = readonly [name: string, value: string];

/** In a path or a header. `undefined` for what is nothing: null, an empty list or object. */
export function inOneText(
  { style, explode }: Style,
  name: string,
  value: unknown,
  encode: Encode,
): string | undefined {
  const items = itemsOf(value, explode, encode);
  if (items === undefined || items.length === 0) return undefined;
  const isObject = !Array.isArray(value) && typeof value === "object";
  const isNamed = style === "matrix" && !(isObject && explode);
  switch (style) {
    case "label":
      return `.${items.join(explode ? "." : ",")}`;
    case "matrix": {
      const own = isNamed ? `;${encode(name)}=` : ";";
      return own + items.join(explode ? own : ",");
    }
    default:
      return items.join(",");
  }
}

/** In a query or a form: as many pairs as it takes. */
export function inPairs(
  { style, explode }: Style,
  name: string,
  value: unknown,
  encode: Encode,
): readonly Pair[] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [[encode(name), encode(String(value))]];
  if (style === "deepObject") return deepPairs(encode(name), value, encode);
  if (explode) {
    return Array.isArray(value)
      ? value.map((each): Pair => [encode(name), encode(textOf(each))])
      : membersOf(value).map(([key, each]): Pair => [encode(key), encode(textOf(each))]);
  }
  const items = itemsOf(value, false, encode)!;
  return items.length === 0 ? [] : [[encode(name), items.join(separatorOf(style))]];
}

/** The members of it that are something. */
export function membersOf(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, each]) => each !== null && each !== undefined);
}

/** What an item is as text: JSON for what no style has a form for. */
export function textOf(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function itemsOf(value: unknown, explode: boolean, encode: Encode): string[] | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map((each) => encode(textOf(each)));
  if (typeof value !== "object") return [encode(String(value))];
  return membersOf(value).flatMap(([key, each]) => {
    const [name, text] = [encode(key), encode(textOf(each))];
    return explode ? [`${name}=${text}`] : [name, text];
  });
}

function separatorOf(style: ParameterStyle): string {
  if (style === "spaceDelimited") return "%20";
  return style === "pipeDelimited" ? "%7C" : ",";
}

/** `a[b]=1`; deeper ones as the frameworks that read this write them: `a[b][c]=1`. */
function deepPairs(name: string, value: object, encode: Encode): Pair[] {
  if (Array.isArray(value)) {
    return value.map((each): Pair => [name, encode(textOf(each))]);
  }
  return membersOf(value).flatMap(([key, each]): Pair[] => {
    const own = `${name}%5B${encode(key)}%5D`;
    return typeof each === "object" ? deepPairs(own, each!, encode) : [[own, encode(String(each))]];
  });
}
