/**
 * The report: the same Markdown for the terminal and for `docs/performance.md`, where it replaces what
 * stands between two markers and leaves the text around them alone.
 *
 * @module
 */

import { type Bar, barsOf } from "./bars.ts";
import { CASES } from "./cases.ts";
import type { Figures, Results } from "./figures.ts";
import type { Held } from "./held.ts";
import { megabytes, ratio, table } from "./markdown.ts";
import type { Plan } from "./measure.ts";
import { cpuModel } from "./proc.ts";
import { heldSections } from "./report_held.ts";
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
    ...heldSections(held),
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

function startTable(starts: StartTimes): string {
  const row = (name: string, ms: number | undefined) =>
    ms === undefined ? [] : [[name, `${Math.round(ms)} ms`]];
  return table(["process, warm, median of 5", "to `Listening on`"], [
    ...row("pass-through", starts.passThroughMs),
    ...row("sallyport", starts.sallyportMs),
  ]);
}
