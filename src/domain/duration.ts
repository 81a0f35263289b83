/**
 * Durations as people write them.
 *
 * @module
 */
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30s`, `5m`, `1h`; a bare number is seconds. Gives milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match) throw new Error('must be a duration such as "30s" or "5m"');
  return Math.round(Number(match[1]) * DURATION_UNITS[match[2] ?? "s"]!);
}

/** As `parseDuration` reads it, in seconds where these are whole: `90s`, `1500ms`. */
export function formatDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
