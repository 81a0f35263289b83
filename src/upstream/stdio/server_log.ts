/**
 * What a stdio server writes to its standard error, as lines of the gateway's log: without secrets,
 * and not more than a person would read.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "stdio"
 */
import { LIMITS } from "../../domain/limits.ts";
import { plainText } from "../channel/plain_text.ts";
import { createLineReader } from "./lines.ts";

export interface ServerLog {
  readonly push: (piece: Uint8Array) => void;
  /** There is nothing more to come. */
  readonly end: () => void;
  /** The newest line that begins at its beginning. */
  readonly lastLine: () => string | undefined;
}

export interface ServerLogDeps {
  readonly redact: (text: string) => string;
  readonly write: (line: string) => void;
  /** Told when lines can be written again, or at the end, how many were left out. */
  readonly dropped: (lines: number) => void;
  readonly now: () => number;
}

export function createServerLog({ redact, write, dropped, now }: ServerLogDeps): ServerLog {
  let wasCut = false;
  const lines = createLineReader(LIMITS.stdioLogLineBytes, () => wasCut = true);
  let sinceMs = -Infinity;
  let written = 0;
  let left = 0;
  let last: string | undefined;

  function tell(bytes: Uint8Array): void {
    const text = plainText(decoder.decode(bytes));
    const line = redact(wasCut ? `${wholeWords(text)}…` : text).trimEnd();
    wasCut = false;
    if (line === "") return;
    // Lines of a stack say less than what stands above them.
    if (/^\S/.test(line)) last = line;
    if (now() - sinceMs >= LIMITS.stdioLogMs) begin();
    if (written < LIMITS.stdioLogLines) {
      written++;
      write(line);
    } else left++;
  }

  function begin(): void {
    sinceMs = now();
    written = 0;
    if (left > 0) dropped(left);
    left = 0;
  }

  return {
    push(piece) {
      lines.push(piece);
      for (let line = lines.take(); line !== undefined; line = lines.take()) tell(line);
    },
    end() {
      const rest = lines.rest();
      if (rest !== undefined) tell(rest);
      if (left > 0) dropped(left);
      left = 0;
    },
    lastLine: () => last,
  };
}

/** Half a secret would not be recognised. */
function wholeWords(text: string): string {
  return text.slice(0, text.length - /\S*$/.exec(text)![0].length);
}

const decoder = new TextDecoder();
