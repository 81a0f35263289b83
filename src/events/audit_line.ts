/**
 * An audit record as one line of JSON that nothing in it can break: all that is not plain ASCII is
 * escaped, long text is cut.
 *
 * @module
 * @see security.md, AUD-06
 */
import { LIMITS } from "../domain/limits.ts";
import type { AuditRecord } from "./audit.ts";

/** @param replica a name of the gateway's own */
export function auditLine(record: AuditRecord, replica: string, timeMs: number): string {
  const { facts = "" } = record;
  return `{"time":${timeMs},"replica":"${replica}"${factsOf(record)}${facts}}\n`;
}

/**
 * Members of a record as they stand in its line, each behind a comma: for what several records say
 * of one call.
 */
export function factsOf(record: Partial<AuditRecord>): string {
  let text = "";
  let member: keyof AuditRecord;
  for (member in record) {
    const value = record[member];
    if (value === undefined || member === "facts") continue;
    text += typeof value === "number" ? `,"${member}":${value}` : `,"${member}":${quoted(value)}`;
  }
  return text;
}

const UNSAFE = /[^ !#-[\]-~]/;

function quoted(text: string): string {
  const short = text.length > LIMITS.auditTextChars
    ? `${text.slice(0, LIMITS.auditTextChars)}…`
    : text;
  if (!UNSAFE.test(short)) return `"${short}"`;
  // By UTF-16 unit: halves of pairs that stand alone are escaped like everything else.
  return JSON.stringify(short).replaceAll(/[^ -~]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
