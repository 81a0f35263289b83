/**
 * The faults that the project is held to, and where each is made: `README.md` shows them, and
 * `rows_test.ts` sees to it that none is without a test that prints its figure.
 *
 * @module
 * @see security.md, sections 5.1 to 5.5
 */
export interface Row {
  readonly id: string;
  readonly fault: string;
  /** What it may cost. */
  readonly bar: string;
  /** In this folder. */
  readonly file: string;
}

/** Tests of a row have names that begin with its id, or with several: `F21, F23: …`. */
export const ROWS: readonly Row[] = [
  row(
    "F01",
    "connection refused",
    "reply within 1 s, others 10 % slower at most",
    "upstream_health",
  ),
  row("F02", "connections into a black hole", "reply at the connect deadline ± 0.5 s", "upstream"),
  row(
    "F03",
    "connects, never answers",
    "reply at the deadline ± 0.5 s, sockets back in 5 s",
    "upstream",
  ),
  row("F04", "one byte a second", "over when the call's time is", "upstream"),
  row("F05", "reset before the result", "executed once, outcome unknown", "upstream"),
  row("F06", "reset behind the result", "100 % get it", "upstream"),
  row("F07", "nonsense", "an error within 100 ms", "upstream"),
  row("F08", "429 with Retry-After", "no call before the time", "upstream_health"),
  row("F09", "session lost upstream", "one new session each", "upstream_health"),
  row("F10", "redirect, expired TLS, no such name", "0 credentials leaked", "upstream"),
  row("F11", "comes and goes", "1 request in vain per 5 s and replica", "upstream_health"),
  row("F12", "1 of 20 dead", "p99 of lists 300 ms", "upstream_health"),
  row("F13", "no end, bombs", "memory rises by 32 MiB at most", "upstream"),
  row("F14", "a client that does not read", "1 MiB per stream at most", "upstream_health"),
  row("F15", "10,000 notifications/s", "under one core", "upstream_health"),
  row("F20", "Redis down at the start", "ready 5 s after its return", "redis"),
  row(
    "F21",
    "Redis down in traffic",
    "99.9 % without sessions, first 503 in 1 s, no wait over 2 s",
    "crowd",
  ),
  row("F22", "Redis restarted, data kept", "sessions used again in 5 s", "redis"),
  row("F23", "Redis restarted, data lost", "0 wrong, all work again in 10 s", "crowd"),
  row("F24", "Redis slow", "lag of the loop p99 under 50 ms", "redis"),
  row("F25", "Redis fails over, behind", "0 executed twice", "redis"),
  row("F26", "one replica cut off from Redis", "told within 5 s", "redis"),
  row("F27", "Redis full, read-only, evicting", "errors surface", "redis"),
  row("F28", "values in Redis damaged", "0 crashes", "redis"),
  row("F29", "published word lost", "no hang, nothing missing", "redis"),
  row("F30", "PostgreSQL down at the start", "ready 5 s after its return", "postgres"),
  row("F31", "PostgreSQL restarts in traffic", "99 % succeed in 10 s of it", "postgres"),
  row("F32", "no connections, all wait", "503 in time, no stall", "postgres_failover"),
  row("F33", "read-only primary", "changes work again in 10 s", "postgres_failover"),
  row("F34", "migrated by a later version", "0 failed", "postgres_failover"),
  row("F35", "transactions given up", "nobody sees it", "postgres_failover"),
  row(
    "F40",
    "replicas killed",
    "new requests fail for 1 s, sessions used in 3 s, 0 twice",
    "kills",
  ),
  row("F41", "killed under a stream", "what was shown can be had again", "kills"),
  row("F42", "SIGTERM with 1,000 streams", "ended in 30 s, 0 failed", "process"),
  row("F43", "second SIGTERM", "ended in 1 s, not with 0", "process"),
  row("F44", "rolling restart", "0 failed", "crowd"),
  row("F45", "a replica sleeps 15 s", "0 executed twice, one end", "process"),
  row("F46", "clocks off, clocks jump", "0 sessions ended", "process"),
  row("F50", "an error in one handler", "500 for that request alone", "process"),
  row("F51", "20 reloads, half invalid", "0 failed", "process"),
  row("F60", "client leaves, no session", "its server knows in 500 ms", "clients"),
  row("F61", "client leaves, in a session", "result replayed", "clients"),
  row("F62", "cancelled at another replica", "its server knows in 500 ms", "clients"),
  row("F63", "cancellation against answer", "one outcome each", "clients"),
  row("F64", "client vanishes", "let go within 60 s", "half_open"),
  row("F65", "idle sessions with streams", "under 4 KB each in Redis", "idle"),
  row("F68", "the same id twice", "refused in a session, two calls without", "clients"),
];

/** As the README has them. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ id, fault, bar, file }) => [id, fault, bar, `\`${file}\``]);
  const all = [["row", "fault", "bar", "made in"], ...cells];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((line) => line[i]!.length)));
  const line = (texts: readonly string[], fill: string) =>
    `| ${texts.map((text, i) => text.padEnd(widths[i]!, fill)).join(" | ")} |`;
  return [
    line(all[0]!, " "),
    line(widths.map(() => ""), "-"),
    ...cells.map((one) => line(one, " ")),
  ]
    .join("\n");
}

function row(id: string, fault: string, bar: string, name: string): Row {
  return { id, fault, bar, file: `${name}_test.ts` };
}
