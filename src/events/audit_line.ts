/**
 * An audit record as one line of JSON that nothing in it can break: all that is not plain ASCII is
 * escaped, long text is cut.
 *
 * @module
 * @see security.md, AUD-06
 */
import { LIMITS } from "../domain/limits.ts";
import type { AuditRecord } from "./audit.ts";

/** In the order in which they stand in a line, behind time and replica. */
const MEMBERS = [
  "action",
  "id",
  "outcome",
  "code",
  "subject",
  "kind",
  "token",
  "address",
  "method",
  "name",
  "endpoint",
  "upstream",
  "args",
  "access",
  "ms",
  "bytes",
  "count",
] as const satisfies readonly (keyof AuditRecord)[];

/** @param replica a name of the gateway's own */
export function auditLine(record: AuditRecord, replica: string, timeMs: number): string {
  let line = `{"time":${timeMs},"replica":"${replica}"`;
  for (const member of MEMBERS) {
    const value = record[member];
    if (value === undefined) continue;
    line += typeof value === "number" ? `,"${member}":${value}` : `,"${member}":${quoted(value)}`;
  }
  return `${line}}\n`;
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
