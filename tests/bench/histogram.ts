/**
 * Latency histogram: 256 buckets per doubling, from 1 µs to about a minute.
 *
 * A bucket is 0.27 % wide, so a percentile is right to within a microsecond at the latencies that are
 * judged. Memory does not grow with the number of requests.
 *
 * @module
 */

const BUCKETS_PER_DOUBLING = 256;
const DOUBLINGS = 26;

/** Counts latencies and gives percentiles of them. */
export interface Histogram {
  add(ms: number): void;
  /** The middle of the bucket in which the given share (0 to 1) of latencies is reached; 0 if empty. */
  percentileMs(share: number): number;
}

/** An empty histogram. */
export function createHistogram(): Histogram {
  const counts = new Uint32Array(BUCKETS_PER_DOUBLING * DOUBLINGS);
  let total = 0;
  return {
    add(ms) {
      const bucket = Math.floor(Math.log2(Math.max(ms * 1000, 1)) * BUCKETS_PER_DOUBLING);
      const index = Math.min(bucket, counts.length - 1);
      counts[index] = (counts[index] ?? 0) + 1;
      total++;
    },
    percentileMs(share) {
      let left = total * share;
      for (let index = 0; index < counts.length; index++) {
        left -= counts[index] ?? 0;
        if (total > 0 && left <= 0) return 2 ** ((index + 0.5) / BUCKETS_PER_DOUBLING) / 1000;
      }
      return 0;
    },
  };
}
