/**
 * What of an API's refusal is shown to a caller: its text, without markup, control characters, or
 * where anything is.
 *
 * Every step is linear: the text is the API's, and may be made to be slow.
 *
 * @module
 * @see contract.md, section 8, "REST tools"
 */
import { Buffer } from "node:buffer";
import { LIMITS } from "../../domain/limits.ts";
import { parseAddress } from "../../platform/addresses.ts";

/** @param own name of the API's own host */
export function cleanedText(text: string, own: string): string {
  const isPage = /^\s*</.test(text);
  const plain = withoutMarkup(isPage ? withoutBlocks(text) : text);
  const shown = withoutAddresses(plain.replace(/[^\P{C}\n\t]/gu, ""), own);
  return cut(isPage ? shown.replace(/\s+/g, " ").trim() : shown.trim());
}

/** What stands in a page and is not meant for readers. */
function withoutBlocks(text: string): string {
  return withoutBlock(withoutBlock(text, "<script", "</script>"), "<style", "</style>");
}

/** Without its last part, when that has no end. A pattern would look for the end again and again. */
function withoutBlock(text: string, first: string, last: string): string {
  const lower = text.toLowerCase();
  let kept = "";
  let at = 0;
  for (;;) {
    const start = lower.indexOf(first, at);
    if (start < 0) return kept + text.slice(at);
    kept += text.slice(at, start);
    const end = lower.indexOf(last, start);
    if (end < 0) return kept;
    at = end + last.length;
  }
}

function withoutMarkup(text: string): string {
  const plain = withoutBlock(text, "<!--", "-->").replace(/<[a-z/!?][^<>]*>/gi, " ");
  // Taking one tag out may have made another of what was around it.
  return plain.replace(/<(?=[a-z/!?])/gi, "");
}

const MASK = "[address]";

function withoutAddresses(text: string, own: string): string {
  return text
    .replace(/(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>]*/gi, MASK)
    .replace(/(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.]*\d)/g, MASK)
    .replace(/(?<![\w:.])\[?[\da-f]{0,4}:[\da-f:]{1,40}(?:\d{1,3}(?:\.\d{1,3}){3})?\]?/gi, ipMask)
    .replace(/(?<![\w.-])[a-z\d-]{1,63}(?:\.[a-z\d-]{1,63}){0,10}:\d{2,5}(?!\w)/gi, hostMask)
    .replace(new RegExp(`(?<![\\w-])${RegExp.escape(own)}(?![\\w-])`, "gi"), MASK);
}

function ipMask(text: string): string {
  return text.length > 3 && parseAddress(text) !== undefined ? MASK : text;
}

/** `name:80`, but not the time of day. */
function hostMask(text: string): string {
  return /[a-z]/i.test(text) ? MASK : text;
}

function cut(text: string): string {
  const max = LIMITS.restErrorShownBytes - AROUND_BYTES;
  if (Buffer.byteLength(text) <= max) return text;
  // A character that was cut in two is left out.
  return `${Buffer.from(text).subarray(0, max).toString().replace(/\ufffd+$/, "")}…`;
}

/** For what is said before it. */
const AROUND_BYTES = 256;
