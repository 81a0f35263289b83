/**
 * The words that the programs of the benchmark share: what the load generator is asked, and what it
 * answers. Both travel as JSON lines between two processes, so everything here is plain data.
 *
 * @module
 */

/** What a right answer looks like. Lengths are those of the body, after transfer decoding. */
export type Expectation =
  | { readonly kind: "text"; readonly bytes: number }
  | { readonly kind: "tools"; readonly count: number }
  | { readonly kind: "progress"; readonly count: number };

/** When a job ends: after a time, or after a number of answers. */
export type Extent = { readonly durationMs: number } | { readonly requests: number };

/** One measurement: the same request, over and over, on every connection. */
export interface Job {
  readonly port: number;
  /** Head and body of the request; every `ID_PLACEHOLDER` in it is replaced by a fresh id. */
  readonly request: string;
  readonly expect: Expectation;
  readonly connections: number;
  /** Load of the same kind before the measured window; its answers are checked too. */
  readonly warmupMs: number;
  readonly extent: Extent;
  /** The process under test: its CPU time and memory are read around the window. */
  readonly pid: number;
  /** Every process that belongs to the benchmark; CPU time of all others counts as foreign. */
  readonly ownPids: readonly number[];
}

/** What one job measured. Requests are those whose answer was complete inside the window. */
export interface JobResult {
  readonly requests: number;
  readonly wallMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** User and system time of the process under test, all threads, over the window. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** Cores that others used during the window, and that the host took away. */
  readonly foreignCores: number;
  readonly stealCores: number;
  /** Wrong or missing answers, warm-up included, and a few of them in words. */
  readonly wrong: number;
  readonly wrongSamples: readonly string[];
}

/** Ten digits, so that an id can be written over it without moving anything. */
export const ID_PLACEHOLDER = "1000000000";

/** A job that hangs is given up this long after it should have ended. */
export const JOB_GRACE_MS = 30_000;
