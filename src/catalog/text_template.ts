/**
 * Texts with places for values: Mustache without escaping. Variables, sections and inverted sections
 * of declared names is all that there is; the library reads them, and what a text becomes is put
 * together here, from these values and nothing else.
 *
 * The time is that of the tags and of what comes out, which is bounded: there are no loops.
 *
 * @module
 * @see contract.md, section 8, "Prompts, resources, completion"
 */
// @ts-types="npm:@types/mustache@4.2.6"
import Mustache from "mustache";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

/** By name; what is missing is empty. */
export type TextValues = ReadonlyMap<string, string>;

export interface TextTemplate {
  /** @throws {GatewayError} `invalid_params` beyond `charsMax` */
  readonly render: (values: TextValues, charsMax: number) => string;
}

/** What is wrong with the text, as one sentence without a full stop; `undefined` for nothing. */
export function flawOfText(text: string, names: ReadonlySet<string>): string | undefined {
  if (text.split("{{").length > LIMITS.templateTags) return "has too many places for values";
  try {
    return flawOf(tokensOf(text), names, 1);
  } catch (error) {
    return `is no template: ${error instanceof Error ? error.message : ""}`;
  }
}

/** @param text without flaws */
export function parseText(text: string): TextTemplate {
  const tokens = tokensOf(text);
  return {
    render(values, charsMax) {
      const pieces: string[] = [];
      let chars = 0;
      for (const piece of piecesOf(tokens, values)) {
        chars += piece.length;
        if (chars > charsMax) {
          throw new GatewayError("invalid_params", `The text would be over ${charsMax} characters`);
        }
        pieces.push(piece);
      }
      return pieces.join("");
    },
  };
}

type Token = readonly [type: string, value: string, start: number, end: number, inner?: unknown];

function tokensOf(text: string): readonly Token[] {
  // A writer of its own: the library keeps what one has read for as long as that is there.
  return new Mustache.Writer().parse(text) as unknown as readonly Token[];
}

function flawOf(
  tokens: readonly Token[],
  names: ReadonlySet<string>,
  depth: number,
): string | undefined {
  if (depth > LIMITS.templateDepth) return "has sections nested too deeply";
  for (const token of tokens) {
    const [type, name] = token;
    if (type === "text" || type === "!" || type === "=") continue;
    if (type === ">") return "must not include other templates";
    if (!names.has(name)) return `names "${name.slice(0, 100)}", which is not declared`;
    const flaw = flawOf(innerOf(token), names, depth + 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function* piecesOf(tokens: readonly Token[], values: TextValues): Generator<string> {
  for (const token of tokens) {
    const [type, text] = token;
    const value = values.get(text) ?? "";
    if (type === "text") yield text;
    else if (type === "name" || type === "&") yield value;
    else if (type === "#" ? value !== "" : type === "^" && value === "") {
      yield* piecesOf(innerOf(token), values);
    }
  }
}

function innerOf([type, , , , inner]: Token): readonly Token[] {
  return type === "#" || type === "^" ? inner as readonly Token[] : [];
}
