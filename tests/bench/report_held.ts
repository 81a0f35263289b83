/**
 * The parts of the report that are about no case of load.
 *
 * @module
 */

import type { Growth } from "./growth.ts";
import {
  type DiscoveryFigures,
  type FairnessFigures,
  type FaultyFigures,
  growthBytesPerRound,
  type Held,
  type IdleFigures,
} from "./held.ts";
import { median } from "./figures.ts";
import { megabytes, milliseconds, ratio, table } from "./markdown.ts";
import type { ImportFigures } from "./openapi_import.ts";
import type { ScaleFigures } from "./scale.ts";
import type { SideFigures } from "./side.ts";
import type { ValidationFigures } from "./validation.ts";

/** A section for each that took part. */
export function heldSections(
  { idle, growth, faulty, discovery, fairness, sides, scale, imported, validation }: Held,
): string[] {
  return [
    ...(sides.length === 0 ? [] : [sideSection(sides)]),
    ...(idle.length === 0 ? [] : [idleSection(idle)]),
    ...(growth === undefined ? [] : [growthSection(growth)]),
    ...(faulty === undefined ? [] : [faultySection(faulty)]),
    ...(discovery === undefined ? [] : [discoverySection(discovery)]),
    ...(fairness === undefined ? [] : [fairnessSection(fairness)]),
    ...(scale === undefined ? [] : [scaleSection(scale)]),
    ...(imported === undefined ? [] : [importSection(imported)]),
    ...(validation === undefined ? [] : [validationSection(validation)]),
  ];
}

function sideSection(sides: readonly SideFigures[]): string {
  const body = table(
    ["case", "contender", "to", "CPU to it", "lowest", "highest"],
    sides.map(({ name, contender, other, ratios }) => [
      name,
      contender,
      other,
      ratio(median(ratios)),
      ratio(Math.min(...ratios)),
      ratio(Math.max(...ratios)),
    ]),
  );
  return `## Side by side

Both at the same time, each under a load of its own, after a while that is not counted: median, lowest
and highest of ${sides[0]!.ratios.length} windows.

${body}`;
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

function faultySection(figures: FaultyFigures): string {
  const body = table(["median of the rounds", ""], [
    ["from the start of the process to `/ready`", milliseconds(figures.readyMs)],
    ["tools/list of 360 tools, p50", milliseconds(figures.p50Ms)],
    ["the same, p99", milliseconds(figures.p99Ms)],
  ]);
  return `## 20 servers, of which one hangs and one is dead

Fresh processes, ${figures.rounds} of them: one server accepts connections and never answers, one
refuses them. Four clients ask for the list, 20 ms after each answer again, ${figures.lists} times in all.

${body}`;
}

function discoverySection(figures: DiscoveryFigures): string {
  const body = table(["median of the rounds", ""], [
    ["from adding the server until all tools are listed", milliseconds(figures.discoveryMs)],
    ["reading it again, nothing being new", milliseconds(figures.againMs)],
    [`slowest of the ${figures.pages} pages of the first list`, milliseconds(figures.firstPageMs)],
    ["page of the lists after that, p50", milliseconds(figures.pageP50Ms)],
    ["the same, p99", milliseconds(figures.pageP99Ms)],
    ["longest answer to `/health`, nothing else to do", milliseconds(figures.quietPauseMs)],
    ["the same, while the server is added and listed", milliseconds(figures.discoveryPauseMs)],
    ["the same, while it is read again", milliseconds(figures.againPauseMs)],
  ]);
  return `## A server with 5,000 tools

Fresh processes, to which the server is added by the API. \`/health\` is asked 2 ms after each answer:
the longest of them is how long the process attended to nobody else.

${body}`;
}

function fairnessSection(figures: FairnessFigures): string {
  const { p50Ratio, p99Ratio, p50ElsewhereRatio, p99ElsewhereRatio } = figures;
  const { quietP50Ms, elsewhereP50Ms, floodedP50Ms } = figures;
  const { quietP99Ms, elsewhereP99Ms, floodedP99Ms } = figures;
  const head = ["alone", "it is elsewhere", "beside it", "to alone", "to elsewhere"];
  const body = table(["median of the rounds", ...head], [
    [
      "tools/call of 1 KiB, p50",
      ...[quietP50Ms, elsewhereP50Ms, floodedP50Ms].map(milliseconds),
      ...[p50Ratio, p50ElsewhereRatio].map(ratio),
    ],
    [
      "the same, p99",
      ...[quietP99Ms, elsewhereP99Ms, floodedP99Ms].map(milliseconds),
      ...[p99Ratio, p99ElsewhereRatio].map(ratio),
    ],
  ]);
  return `## One principal far over its limit

Four principals within their limits, and a fifth that sends ${
    figures.timesLimit.toFixed(1)
  } times as
much as it may, in ${figures.rounds} rounds. A message of it takes ${Math.round(figures.floodCpuUs)}
CPU-µs of the gateway. What its load generator takes is on the same cores, so each round has the same
flood at another gateway, too.

${body}`;
}

function scaleSection({ emptyBytes, heldBytes, listedBytes, pauses }: ScaleFigures): string {
  const added = (bytes: number) => ((bytes - emptyBytes) / 1e6).toFixed(1);
  const body = table(["what happens", "longest answer to `/health`"], [
    ...pauses.map(({ what, pauseMs }) => [what, milliseconds(pauseMs)]),
  ]);
  return `## 50,000 items, 10,000 users, 1,000 teams

A process that has nothing of this takes ${megabytes(emptyBytes)} MB, with it ${
    added(heldBytes)
  } MB more, and ${
    added(listedBytes)
  } MB more after all of the changes below. After each of them nine
callers of different teams list what they see; \`/health\` is asked 2 ms after each answer.

${body}`;
}

function importSection(figures: ImportFigures): string {
  const body = table(["", ""], [
    ["from the request to its answer", milliseconds(figures.importMs)],
    ["until all are listed at `/mcp`", milliseconds(figures.listedMs)],
    ["importing it again, nothing being new", milliseconds(figures.againMs)],
    ["longest answer to `/health`, nothing else to do", milliseconds(figures.quietPauseMs)],
    ["the same, while it is imported and listed", milliseconds(figures.pauseMs)],
  ]);
  const operations = figures.operations.toLocaleString("en-US");
  return `## An OpenAPI document of ${operations} operations

A fresh process, to which ${megabytes(figures.documentBytes)} MB of JSON are sent by the API.

${body}`;
}

function validationSection({ bytes, firstMs, earlyUs, cpuUs }: ValidationFigures): string {
  const body = table(["", ""], [
    ["the first call, which compiles the schema", milliseconds(firstMs)],
    ["the hundred after it, CPU each", `${earlyUs.toFixed(1)} µs`],
    ["after thousands, CPU each", `${cpuUs.toFixed(1)} µs`],
  ]);
  return `## Checking arguments of ${bytes.toLocaleString("en-US")} bytes

An order of some fifty lines, against a schema with references, patterns, formats, bounds and unique
items.

${body}`;
}
