/**
 * What servers write for terminals, as text for a log.
 *
 * @module
 */

/** Without colours, and whatever else is said to a terminal and not to a reader. */
export function plainText(text: string): string {
  return text.replaceAll("\t", " ").replace(TERMINAL_SEQUENCE, "").replace(/\p{Cc}/gu, "");
}

const TERMINAL_SEQUENCE = /\p{Cc}\[[\d;:?]*[ -/]*[@-~]/gu;
