/**
 * `Retry-After`: how long a server wants to be left alone.
 *
 * @module
 * @see RFC 9110, sections 10.2.3 and 5.6.7
 */
import { LIMITS } from "../domain/limits.ts";

const IMF_OR_RFC850 = /^[A-Z][a-z]{2,8}, \d\d[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d:\d\d GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

/**
 * Milliseconds from now, at most `LIMITS.retryAfterMs`; 0 for a moment that is past, and for what is
 * neither a number of seconds nor a date.
 * @param nowMs since the epoch
 */
export function parseRetryAfter(value: string, nowMs: number): number {
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : dateOf(text) - nowMs;
  return ms > 0 ? Math.min(ms, LIMITS.retryAfterMs) : 0;
}

/** `NaN` when it is none: no comparison with it holds. */
function dateOf(text: string): number {
  if (IMF_OR_RFC850.test(text)) return Date.parse(text);
  // The third form has no zone, and is UTC all the same.
  return ASCTIME.test(text) ? Date.parse(`${text} GMT`) : NaN;
}
