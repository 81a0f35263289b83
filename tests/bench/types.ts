/**
 * The words that the programs of the benchmark share: what the load generator is asked, and what it
 * answers. Both travel as JSON lines between two processes, so everything here is plain data.
 *
 * Requests are texts, head and body, with places for what is known only when they are sent.
 *
 * @module
 */

/** What a right answer looks like. Lengths are those of the body, after transfer decoding. */
export type Expectation =
  | { readonly kind: "text"; readonly bytes: number }
  /** JSON of that size, as text and as structured content. */
  | { readonly kind: "record"; readonly bytes: number }
  | { readonly kind: "tools"; readonly names: readonly string[] }
  | {
    readonly kind: "progress";
    readonly count: number;
    /** Whether every event of the stream has an id of its own. */
    readonly hasEventIds: boolean;
  };

/** Where requests go, and as whom. */
export interface Address {
  readonly port: number;
  readonly path: string;
  readonly token?: string | undefined;
  /** Instead of it one for each of many callers, who take turns. */
  readonly tokens?: readonly string[];
  /**
   * What stands before the names of tools there: one for each server that has them, and requests
   * take turns. Without it tools have their own names.
   */
  readonly prefixes?: readonly string[];
}

/** When a job ends: after a time, or after a number of answers. */
export type Extent = { readonly durationMs: number } | { readonly requests: number };

/** The requests that make a session of the session era and end it. */
export interface SessionScript {
  readonly initialize: string;
  readonly initialized: string;
  readonly end: string;
}

/** What a connection does over and over. */
export type Work =
  | {
    readonly kind: "requests";
    /** They go round: each connection sends its share of them, again and again. */
    readonly requests: readonly string[];
    readonly expect: Expectation;
    /** The session that each connection opens before the first request. */
    readonly session?: SessionScript;
  }
  | {
    readonly kind: "sessions";
    readonly session: SessionScript;
    /** Whether each is ended before the next is opened; otherwise all are, after the window. */
    readonly endsEach: boolean;
  };

/** One measurement: the same work, over and over, on every connection. */
export interface Job {
  readonly kind: "load";
  readonly port: number;
  readonly work: Work;
  readonly connections: number;
  /** Between an answer and the next request; 0 for as much load as there can be. */
  readonly pauseMs: number;
  /** Load of the same kind before the measured window; its answers are checked too. */
  readonly warmupMs: number;
  readonly extent: Extent;
  /** The process under test: its CPU time and memory are read around the window. */
  readonly pid: number;
  /** Every process that belongs to the benchmark; CPU time of all others counts as foreign. */
  readonly ownPids: readonly number[];
}

/** What one job measured. */
export interface JobResult extends Faults {
  /**
   * Those whose answer was complete inside the window; sessions, where the work is to open them. Of
   * answers with notifications, parts count too: with many connections they take as long as a window.
   */
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
}

/** Wrong or missing answers, warm-up included, and a few of them in words. */
export interface Faults {
  readonly wrong: number;
  readonly wrongSamples: readonly string[];
}

/** Sessions with a stream each. */
interface SessionsJob {
  readonly count: number;
  /** Where the sessions are opened, which for a relay of streams is behind it. */
  readonly sessionPort: number;
  readonly session: SessionScript;
  readonly port: number;
  readonly stream: string;
}

/** So many of them at the same time, and nothing comes on their streams. */
export interface IdleJob extends SessionsJob {
  readonly kind: "idle";
  /** Makes the stub say one thing on every stream, so that each can be seen to be alive. */
  readonly stubPort: number;
  readonly announce: string;
  /** Between the last stream and the reading of memory. */
  readonly settleMs: number;
  /** The process under test. */
  readonly pid: number;
}

/** Memory of the process under test, without the sessions and with them. */
export interface IdleResult extends Faults {
  readonly beforeBytes: number;
  readonly heldBytes: number;
}

/** So many of them, one after the other on each connection: opened, one call, ended. */
export interface ChurnJob extends SessionsJob {
  readonly kind: "churn";
  readonly request: string;
  readonly expect: Expectation;
}

/** How long that took. */
export interface ChurnResult extends Faults {
  readonly wallMs: number;
}

/** An upstream server with very many tools is added, while others use the gateway. */
export interface DiscoverJob {
  readonly kind: "discover";
  /** Where the list of tools is, which is empty at first. */
  readonly address: Address;
  /** Adds the server; has it read once more; asks for as little as possible. */
  readonly add: string;
  readonly refresh: string;
  readonly health: string;
  /** What has to be listed in the end. */
  readonly names: readonly string[];
  /** Readings of the whole list after that. */
  readonly readings: number;
}

/** How long that took. */
export interface DiscoverResult extends Faults {
  /** From adding the server to the end of the first list that has everything. */
  readonly discoveryMs: number;
  /** To have a server read again that offers the same. */
  readonly againMs: number;
  readonly pages: number;
  /** The first time that anybody asks for it; then all pages of all readings. */
  readonly firstPageMs: number;
  readonly pageP50Ms: number;
  readonly pageP99Ms: number;
  /** Longest answer to the smallest request: with nothing else to do, and during each of the two. */
  readonly quietPauseMs: number;
  readonly discoveryPauseMs: number;
  readonly againPauseMs: number;
}

/** Whatever the load generator can be asked. */
export type AnyJob = Job | IdleJob | ChurnJob | DiscoverJob;

/** Ten digits, so that an id can be written over it without moving anything. */
export const ID_PLACEHOLDER = "1000000000";

/** Where the id of the session goes. */
export const SESSION_PLACEHOLDER = "<session>";

/** Sessions that are held at once; a gateway's bound for one principal has to be above it. */
export const SESSIONS_HELD_MAX = 15_000;

/** A job that hangs is given up this long after it should have ended. */
export const JOB_GRACE_MS = 30_000;
