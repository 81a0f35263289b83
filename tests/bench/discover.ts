/**
 * The load generator's job around discovery: has a server with very many tools added, waits until all of
 * them are listed, and meanwhile looks whether the process still answers others.
 *
 * @module
 */

import { type Connection, openConnection } from "./connection.ts";
import { createFaultCount } from "./faults.ts";
import { createHistogram } from "./histogram.ts";
import { type Listing, namesOf, PAGE_BYTES_MAX, readListing } from "./listing.ts";
import type { DiscoverJob, DiscoverResult } from "./types.ts";

/** Between two questions whether the process answers. */
const PROBE_MS = 2;
const QUIET_MS = 1_000;
const LISTED_MS_MAX = 20_000;
const POLL_MS = 5;

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** Adds the server, reads its list, and has it read once more. */
export async function runDiscover(job: DiscoverJob): Promise<DiscoverResult> {
  const { port } = job.address;
  const connection = await openConnection(port, PAGE_BYTES_MAX);
  const prober = await openConnection(port, PAGE_BYTES_MAX);
  const probed = <T>(act: () => Promise<T>) => whileProbed(prober, encoder.encode(job.health), act);
  try {
    // Once around without counting it: the first list and the first probes are those of a cold process.
    await readListing(connection, job.address);
    await probed(() => sleep(QUIET_MS));
    const quiet = await probed(() => sleep(QUIET_MS));
    const added = await probed(async () => {
      await plain(connection, job.add, 201);
      return await listed(connection, job);
    });
    const latencies = createHistogram();
    let last: Listing = added.value;
    for (let reading = 0; reading < job.readings; reading++) {
      last = await readListing(connection, job.address);
      for (const ms of last.pagesMs) latencies.add(ms);
    }
    const again = await probed(() => plain(connection, job.refresh, 200));
    return {
      discoveryMs: added.wallMs,
      againMs: again.wallMs,
      pages: last.pages.length,
      firstPageMs: Math.max(...added.value.pagesMs),
      pageP50Ms: latencies.percentileMs(0.5),
      pageP99Ms: latencies.percentileMs(0.99),
      quietPauseMs: quiet.pauseMs,
      discoveryPauseMs: added.pauseMs,
      againPauseMs: again.pauseMs,
      ...faultsOf(job, [added.value, last]),
    };
  } finally {
    connection.close();
    prober.close();
  }
}

/** The first list that has as many tools as it should. */
async function listed(connection: Connection, { address, names }: DiscoverJob): Promise<Listing> {
  const untilMs = performance.now() + LISTED_MS_MAX;
  for (;;) {
    const listing = await readListing(connection, address);
    if (listing.count >= names.length || performance.now() > untilMs) return listing;
    await sleep(POLL_MS);
  }
}

function faultsOf({ names }: DiscoverJob, listings: readonly Listing[]) {
  const faults = createFaultCount();
  const wanted = [...names].sort().join();
  for (const listing of listings) {
    if (namesOf(listing).sort().join() !== wanted) {
      faults.add(`${listing.count} tools are listed, not the ${names.length} that there are`);
    }
  }
  return faults.faults();
}

interface Probed<T> {
  readonly value: T;
  readonly wallMs: number;
  /** The longest that an answer took. */
  readonly pauseMs: number;
}

/** Asks something small again and again until the work is done. */
export async function whileProbed<T>(
  connection: Connection,
  request: Uint8Array,
  act: () => Promise<T>,
): Promise<Probed<T>> {
  let isOver = false;
  let pauseMs = 0;
  const probing = (async () => {
    while (!isOver) {
      const startMs = performance.now();
      const { status } = await connection.exchange(request);
      if (status !== 200) throw new Error(`A probe was answered with ${status}`);
      pauseMs = Math.max(pauseMs, performance.now() - startMs);
      await sleep(PROBE_MS);
    }
  })();
  probing.catch(() => {});
  const startMs = performance.now();
  try {
    const value = await act();
    const wallMs = performance.now() - startMs;
    isOver = true;
    // The probe that is under way may be the one that waits.
    await probing;
    return { value, wallMs, pauseMs };
  } finally {
    isOver = true;
    await probing.catch(() => {});
  }
}

async function plain(connection: Connection, request: string, wanted: number): Promise<void> {
  const { status, body } = await connection.exchange(encoder.encode(request));
  if (status === wanted) return;
  const line = request.slice(0, request.indexOf("\r\n"));
  throw new Error(`${line}: status ${status}: ${latin1.decode(body.subarray(0, 200))}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
