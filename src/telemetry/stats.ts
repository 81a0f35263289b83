/**
 * Counts and latencies of calls, by method and by upstream server, since the process started.
 *
 * Counting costs no memory once a method and a server were seen: it is done for every call.
 *
 * @module
 */
export interface Stats {
  /**
   * @param upstream id of the server
   * @param ms how long it took, by the clock for durations
   * @param isError whether the gateway or the server failed; a tool's own error result is none
   */
  readonly record: (method: string, upstream: string, ms: number, isError: boolean) => void;
  /** Forgets a server that is gone. */
  readonly forget: (upstream: string) => void;
  readonly snapshot: () => StatsSnapshot;
}

export interface StatsSnapshot {
  /** Wall clock, milliseconds. */
  readonly sinceMs: number;
  readonly total: Counts;
  readonly methods: readonly (readonly [method: string, Counts])[];
  /** By id. */
  readonly upstreams: readonly (readonly [upstream: string, Counts])[];
}

export interface Counts {
  readonly calls: number;
  readonly errors: number;
  /** In milliseconds, right to within 5 %; 0 without calls. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface StatsOptions {
  /** Methods that are counted by name. All others are one: their names are the callers' to choose. */
  readonly methods: readonly string[];
  /** Servers that are counted one by one. Beyond it they are counted in the total only. */
  readonly upstreamsMax: number;
}

export const OTHER_METHODS = "other";

/** From 0.1 ms to more than an hour, each bucket 9 % wider than the one before. */
const SHORTEST_MS = 0.1;
const BUCKETS_PER_DOUBLING = 8;
const BUCKETS = 26 * BUCKETS_PER_DOUBLING;

interface Series {
  calls: number;
  errors: number;
  readonly buckets: Uint32Array;
}

/** @param startedMs wall clock */
export function createStats(startedMs: number, options: StatsOptions): Stats {
  const total = series();
  const others = series();
  const methods = new Map(options.methods.map((method) => [method, series()]));
  const upstreams = new Map<string, Series>();

  function upstreamSeries(upstream: string): Series | undefined {
    const known = upstreams.get(upstream);
    if (known !== undefined || upstreams.size >= options.upstreamsMax) return known;
    const made = series();
    upstreams.set(upstream, made);
    return made;
  }

  return {
    record(method, upstream, ms, isError) {
      const bucket = bucketOf(ms);
      count(total, bucket, isError);
      count(methods.get(method) ?? others, bucket, isError);
      const of = upstreamSeries(upstream);
      if (of !== undefined) count(of, bucket, isError);
    },
    forget: (upstream) => void upstreams.delete(upstream),
    snapshot: () => ({
      sinceMs: startedMs,
      total: countsOf(total),
      methods: [...methods, [OTHER_METHODS, others] as const]
        .filter(([, of]) => of.calls > 0)
        .map(([method, of]) => [method, countsOf(of)]),
      upstreams: [...upstreams].map(([upstream, of]) => [upstream, countsOf(of)]),
    }),
  };
}

function series(): Series {
  return { calls: 0, errors: 0, buckets: new Uint32Array(BUCKETS) };
}

function count(of: Series, bucket: number, isError: boolean): void {
  of.calls++;
  if (isError) of.errors++;
  of.buckets[bucket]!++;
}

function bucketOf(ms: number): number {
  // Not a number is treated as nothing: a clock that failed must not spoil what is counted.
  if (!(ms > SHORTEST_MS)) return 0;
  const bucket = Math.floor(Math.log2(ms / SHORTEST_MS) * BUCKETS_PER_DOUBLING);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

function countsOf(of: Series): Counts {
  return {
    calls: of.calls,
    errors: of.errors,
    p50Ms: percentileMs(of, 0.5),
    p95Ms: percentileMs(of, 0.95),
    p99Ms: percentileMs(of, 0.99),
  };
}

/** The middle of the bucket in which this share of the calls is reached. */
function percentileMs({ calls, buckets }: Series, share: number): number {
  let left = Math.ceil(calls * share);
  if (left === 0) return 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    left -= buckets[bucket]!;
    if (left > 0) continue;
    const ms = SHORTEST_MS * 2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING);
    return Number(ms.toPrecision(3));
  }
  return 0;
}
