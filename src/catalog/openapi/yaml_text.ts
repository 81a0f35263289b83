/**
 * YAML text to values, in slices: a large document must not keep calls waiting.
 *
 * The library reads lines in pieces, and puts a document together in one go. Most are large maps of
 * maps, so the outer ones are taken apart here, and each of their values is put together by itself.
 *
 * @module
 * @see YAML 1.2.2
 */
import { Composer, type CST, Lexer, Parser } from "yaml";
import { LIMITS } from "../../domain/limits.ts";
import type { Pace } from "../../platform/pace.ts";

/** @throws {Error} saying where the text is wrong */
export async function parseYaml(text: string, pace: Pace): Promise<unknown> {
  const { token, hasAnchors } = await treeOf(text, pace);
  // A name may stand for something anywhere before it.
  return await valueOf(token, hasAnchors ? 0 : OUTER_MAPS, pace);
}

/** `paths` of the document, and `schemas` of `components`. */
const OUTER_MAPS = 3;
const CHUNK_CHARS = 8 * 1024;
/** Says that what follows is the text of a value. */
const SCALAR = "\u001f";

interface Tree {
  readonly token: CST.Token;
  readonly hasAnchors: boolean;
}

async function treeOf(text: string, pace: Pace): Promise<Tree> {
  const lexer = new Lexer();
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let hasAnchors = false;
  let before = "";
  for (let at = 0, end = 0; at < text.length; at = end) {
    // The library takes a line that is cut for two.
    end = text.indexOf("\n", at + CHUNK_CHARS) + 1 || text.length;
    for (const lexeme of lexer.lex(text.slice(at, end), end < text.length)) {
      if (before !== SCALAR && /^[&*]/.test(lexeme)) hasAnchors = true;
      before = lexeme;
      for (const token of parser.next(lexeme)) tokens.push(token);
    }
    await pace();
  }
  for (const token of parser.end()) tokens.push(token);
  const documents = tokens.filter(({ type }) => type === "document");
  const [document] = documents;
  const error = tokens.find((token) => token.type === "error");
  if (error?.type === "error") throw new Error(error.message);
  if (document?.type !== "document" || document.value === undefined) throw new Error("It is empty");
  if (documents.length > 1) throw new Error("It holds several documents");
  return { token: document.value, hasAnchors };
}

async function valueOf(token: CST.Token, maps: number, pace: Pace): Promise<unknown> {
  await pace();
  if (maps === 0 || token.type !== "block-map" || !token.items.every(isPlain)) {
    return composed(token);
  }
  const members = new Map<string, unknown>();
  for (const { key, value } of token.items) {
    if (!key) continue;
    const name = String(composed(key));
    if (members.has(name)) throw new Error(`Map keys must be unique: ${JSON.stringify(name)}`);
    members.set(name, value ? await valueOf(value, maps - 1, pace) : null);
  }
  return Object.fromEntries(members);
}

/** Neither key nor value has a tag, and the key is no alias or map. */
function isPlain({ start, key, sep = [] }: CST.CollectionItem): boolean {
  const isKey = !key || /^(?:scalar|(?:single|double)-quoted-scalar)$/.test(key.type);
  return isKey && [...start, ...sep].every(({ type }) => BETWEEN.has(type));
}

const BETWEEN: ReadonlySet<string> = new Set(["space", "newline", "comment", "map-value-ind"]);

function composed(value: CST.Token): unknown {
  const composer = new Composer({ version: "1.2", merge: true, logLevel: "silent" });
  const token: CST.Document = { type: "document", offset: value.offset, start: [], value };
  const [document] = composer.compose([token], true, value.offset);
  const [error] = document?.errors ?? [];
  if (document === undefined || error !== undefined) {
    throw new Error(error?.message ?? "It is empty");
  }
  // What a few lines name again and again may stand for any amount of values.
  return document.toJS({ maxAliasCount: LIMITS.yamlAliases });
}
