/**
 * Headers of the reference system's REST tools. Keys stand in them as often as not, so that only
 * values of headers that are never credentials are taken over.
 *
 * @module
 */
import { MASK } from "../../catalog/secrets.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import { redactText } from "../../telemetry/redact.ts";
import { isHeaderValue, isSettable } from "../../upstream/header_fields.ts";
import { isOwnHeader } from "../../upstream/rest/request_headers.ts";
import type { Entry } from "./entry.ts";
import { inWords, type OwnNotes } from "./notes.ts";

/** @param auth what sets a header of its own */
export function headersOf(
  entry: Entry,
  auth: UpstreamAuth | undefined,
  { lost, toFillIn }: OwnNotes,
): Readonly<Record<string, string>> {
  const given = Object.entries(entry.object("headers") ?? {})
    .filter(([, value]) => value !== null && value !== "");
  const kept = new Map<string, readonly [name: string, value: string]>();
  const refused: string[] = [];
  for (const [name, value] of given) {
    const lower = name.toLowerCase();
    if (!(isSettable(name) || isOwnHeader(name)) || lower === headerOf(auth)) refused.push(name);
    else kept.set(lower, [name, shownValue(name, value)]);
  }
  if (refused.length > 0) lost(`Headers that cannot be set here: ${inWords(refused)}`);
  for (const [name, value] of kept.values()) if (value === MASK) toFillIn(`headers.${name}`);
  return Object.fromEntries(kept.values());
}

const HARMLESS =
  /^(?:accept|accept-language|content-type|user-agent|cache-control|pragma|prefer|x-requested-with|(?:[a-z]+-)*version)$/i;

function shownValue(name: string, value: unknown): string {
  const isShown = HARMLESS.test(name) && typeof value === "string" && isHeaderValue(value) &&
    redactText(value) === value;
  return isShown ? value : MASK;
}

/** Lower-cased. */
function headerOf(auth: UpstreamAuth | undefined): string | undefined {
  if (auth === undefined || auth.type === "none") return undefined;
  return auth.type === "header" ? auth.name.toLowerCase() : "authorization";
}
