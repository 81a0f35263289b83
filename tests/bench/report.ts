/**
 * The report: the same Markdown for the terminal and for `docs/performance.md`, where it replaces what
 * stands between two markers and leaves the text around them alone.
 *
 * @module
 */

import { type Bar, barsOf } from "./bars.ts";
import { CASES } from "./cases.ts";
import type { Figures, Results } from "./figures.ts";
import type { Growth } from "./growth.ts";
import { growthBytesPerRound, type Held, type IdleFigures } from "./held.ts";
import type { Plan } from "./measure.ts";
import { cpuModel } from "./proc.ts";
import type { StartTimes } from "./start_time.ts";

const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

const PREFACE = `# Performance

What the gateway costs, measured by \`deno task bench\`. \`tests/bench/README.md\` says what is measured
and why the figures can be trusted.
`;

/** The whole report. */
export function reportOf(
  results: Results,
  held: Held,
  plan: Plan,
  starts: StartTimes | undefined,
): string {
  const hasAdded = results.all.some(({ which }) => which.connections === 1);
  const sections = [
    machineLines(plan).join("\n"),
    ...(starts === undefined
      ? []
      : [`## Bars\n\n${barTable(barsOf(results, held, starts.sallyportMs))}`]),
    ...CASES.flatMap(({ name, title }) => {
      const rows = results.all.filter((figures) => figures.which.name === name);
      return rows.length === 0 ? [] : [`## ${title}\n\n${caseTable(rows, results)}`];
    }),
    ...(held.idle.length === 0 ? [] : [idleSection(held.idle)]),
    ...(held.growth === undefined ? [] : [growthSection(held.growth)]),
    ...(hasAdded ? [`## Median latency added at one connection\n\n${addedTable(results)}`] : []),
    ...(starts === undefined ? [] : [`## Start\n\n${startTable(starts)}`]),
  ];
  return sections.join("\n\n");
}

/** Puts the report between the markers of a document, or begins the document. */
export async function writeReport(path: string | URL, report: string): Promise<void> {
  const block = `${BEGIN}\n\n${report}\n\n${END}`;
  const before = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  await Deno.writeTextFile(
    path,
    before === undefined ? `${PREFACE}\n${block}\n` : put(before, block),
  );
}

function put(document: string, block: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END, begin);
  if (begin < 0 || end < 0) return `${document.trimEnd()}\n\n${block}\n`;
  return document.slice(0, begin) + block + document.slice(end + END.length);
}

function machineLines(plan: Plan): string[] {
  return [
    `- Machine: ${cpuModel()}, ${navigator.hardwareConcurrency} cores, shared by stub, contender ` +
    "and load generator",
    `- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`,
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Medians of ${plan.rounds} interleaved rounds of ${plan.windowMs / 1000} s each; a † marks ` +
    "rows with rounds that other load disturbed in spite of repetition",
  ];
}

function barTable(bars: readonly Bar[]): string {
  return table(
    ["bar", "limit", "measured", ""],
    bars.map(({ what, limit, measured, isMet }) => [
      what,
      limit,
      measured ?? "–",
      isMet === undefined ? "not measured" : isMet ? "met" : "**missed**",
    ]),
  );
}

function caseTable(rows: readonly Figures[], results: Results): string {
  const unit = rows[0]?.which.unit ?? "request";
  const head = [
    "contender",
    `${unit}s/s`,
    "p50 ms",
    "p99 ms",
    `CPU-µs/${unit}`,
    "RSS MB",
    "CPU to pass-through",
    "speed to pass-through",
  ];
  return table(
    head,
    rows.map((row) => [
      row.contender + (row.disturbedRounds > 0 ? " †" : ""),
      Math.round(row.unitsPerSecond).toLocaleString("en-US"),
      row.p50Ms.toFixed(3),
      row.p99Ms.toFixed(3),
      row.cpuUsPerUnit.toFixed(1),
      megabytes(row.rssBytes),
      ratio(results.cpuRatio(row.which.name, row.contender, "pass-through")),
      ratio(results.speedRatio(row.which.name, row.contender, "pass-through")),
    ]),
  );
}

function addedTable(results: Results): string {
  const cases = CASES.filter((it) => it.connections === 1);
  const atOne = results.all.filter(({ which }) => which.connections === 1);
  const names = [...new Set(atOne.map((it) => it.contender))].filter((it) => it !== "direct");
  return table(
    ["contender", ...cases.map((it) => `${it.title.split(",", 1)} ms`)],
    names.map((name) => [
      name,
      ...cases.map((it) => results.addedP50Ms(it.name, name, "direct")?.toFixed(3) ?? "–"),
    ]),
  );
}

function idleSection(rows: readonly IdleFigures[]): string {
  const sessions = (rows[0]?.sessions ?? 0).toLocaleString("en-US");
  const body = table(
    ["contender", "RSS before MB", "RSS with them MB", "to relay", "KB/session", "to relay"],
    rows.map((row) => [
      row.contender,
      megabytes(row.beforeBytes),
      megabytes(row.heldBytes),
      ratio(row.heldRatio),
      (row.sessionBytes / 1e3).toFixed(1),
      ratio(row.sessionRatio),
    ]),
  );
  return `## 2025-11-25: ${sessions} idle sessions, each with an open stream

Fresh processes. The bar is on the first ratio, RSS of the whole process with the sessions in it; the
last two columns are what was added by them.

${body}`;
}

/** The same for the report and for a soak. */
export function growthSection(growth: Growth): string {
  const { contender, holdings, warmSessions, sessionsPerRound } = growth;
  const first = holdings[0];
  const slope = Math.round(growthBytesPerRound(holdings) / sessionsPerRound);
  const perSecond = Math.round(growth.sessionsPerSecond);
  const body = table(
    ["sessions opened and ended", "RSS MB", "since the first reading", "open files"],
    holdings.map(({ rssBytes, openFiles }, index) => [
      (index * sessionsPerRound).toLocaleString("en-US"),
      megabytes(rssBytes),
      ((rssBytes - (first?.rssBytes ?? NaN)) / 1e6).toFixed(1),
      String(openFiles),
    ]),
  );
  return `## 2025-11-25: sessions that come and go, ${contender}

Each with a stream, a call of 1 KiB and DELETE, after ${warmSessions} that are not counted:
${perSecond} sessions/s. Each left ${slope} B behind, by the median slope between two readings;
the stub was left with ${growth.leftSessions} sessions and ${growth.leftStreams} streams.

${body}`;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);

function startTable(starts: StartTimes): string {
  const row = (name: string, ms: number | undefined) =>
    ms === undefined ? [] : [[name, `${Math.round(ms)} ms`]];
  return table(["process, warm, median of 5", "to `Listening on`"], [
    ...row("pass-through", starts.passThroughMs),
    ...row("sallyport", starts.sallyportMs),
  ]);
}

const ratio = (value: number | undefined) => value === undefined ? "–" : `${value.toFixed(2)}×`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, index) => index === 0 ? "---" : "--:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
