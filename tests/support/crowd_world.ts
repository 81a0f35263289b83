/**
 * Three replicas behind a balancer, the server of `crowd_server.ts` behind them, and a crowd of
 * principals, each with a session and without; all that happens to their calls is written down.
 *
 * @module
 */
import type { Balancer } from "./balancer.ts";
import {
  type CrowdClient,
  crowdClient,
  type CrowdSession,
  crowdSession,
  type Outcome,
} from "./crowd_client.ts";
import { CROWD_PLACES, startCrowdServer } from "./crowd_server.ts";
import { type Fleet, openFleet } from "./fleet.ts";
import { findBreaches, type Finding, type Happening } from "./history.ts";
import type { RedisServer } from "./redis_server.ts";
import type { Replica } from "./replicas.ts";
import { mintToken } from "./tokens.ts";

export interface Member {
  readonly session: CrowdSession;
  /** Opens another one for the same principal at the same server. */
  readonly reopen: () => Promise<CrowdSession>;
  /** One for each server. */
  readonly alone: readonly CrowdClient[];
}

export interface CrowdWorld extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly redis: RedisServer;
  readonly replicas: readonly Replica[];
  readonly balancer: Balancer;
  readonly members: readonly Member[];
  /** Calls that were sent so far. */
  readonly sent: () => number;
  /** What was wrong, once all calls have ended. */
  readonly findings: () => readonly Finding[];
}

export interface CrowdWorldOptions {
  readonly members: number;
  /** Settings by their environment names. */
  readonly env?: Readonly<Record<string, string>>;
}

export const REPLICAS = 3;

/** Everything is in use already. */
export async function openCrowdWorld(options: CrowdWorldOptions): Promise<CrowdWorld> {
  const history: Happening[] = [];
  const tell = (happening: Happening) => void history.push(happening);
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    startCrowdServer((call, session) => tell({ what: "executed", call, session })),
  );
  const fleet = stack.use(
    await openFleet({
      count: REPLICAS,
      servers: server.entries,
      env: { UPSTREAM_CONCURRENCY: "1000", ...options.env },
    }),
  );
  const { redis, replicas, balancer } = fleet;
  const { origin } = balancer;
  const open = (index: number) => openMember(origin, tell, index);
  const members = await Promise.all(Array.from({ length: options.members }, (_, i) => open(i)));
  const kept = stack.move();
  return {
    fleet,
    redis,
    replicas,
    balancer,
    members,
    sent: () => history.filter(({ what }) => what === "sent").length,
    findings: () => findBreaches(history),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function openMember(
  origin: string,
  tell: (happening: Happening) => void,
  index: number,
): Promise<Member> {
  const name = `member-${index}`;
  let last = 0;
  const token = await mintToken({ sub: `${name}@example.com` });
  const who = { origin, token, name, tell, next: () => ++last };
  const paths = CROWD_PLACES.map((place) => `/servers/${place}/mcp`);
  const reopen = () => crowdSession(who, paths[index % paths.length]!);
  return {
    session: await reopen(),
    reopen,
    alone: paths.map((path) => crowdClient(who, path)),
  };
}

export function isOk({ error }: Outcome): boolean {
  return error === "ok";
}

/** Errors, each with how often it came. */
export function errorsOf(outcomes: readonly Outcome[]): string {
  const errors = Map.groupBy(outcomes.filter((one) => !isOk(one)), ({ error }) => error);
  const counts = [...errors].map(([error, { length }]) => `${error}: ${length}`);
  return counts.sort().join(", ") || "none";
}

/**
 * Those that a gateway has failed: what a balancer refuses, as no gateway had the time to tell it that
 * it is there, is the machine's.
 */
export function failedByGateways(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.filter((one) => !isOk(one) && !one.error.endsWith("of the balancer"));
}

/** Per cent that succeeded. */
export function shareOf(outcomes: readonly Outcome[]): number {
  return 100 * outcomes.filter(isOk).length / outcomes.length;
}

export interface Traffic {
  readonly modern: readonly Outcome[];
  readonly inSession: readonly Outcome[];
  /** Sends nothing more, and waits for what was sent. */
  readonly end: () => Promise<void>;
}

const TICK_MS = 10;
/** At once. */
const OPEN_MAX = 200;

/**
 * So many calls a second, half of them in sessions; fewer where the machine does not keep up with
 * them.
 */
export function startTraffic(members: readonly Member[], perSecond: number): Traffic {
  const modern: Outcome[] = [];
  const inSession: Outcome[] = [];
  const pending: Promise<unknown>[] = [];
  const startMs = performance.now();
  let sent = 0;
  let skipped = 0;
  let open = 0;
  const timer = setInterval(() => {
    const due = (performance.now() - startMs) * perSecond / 1_000;
    if (open >= OPEN_MAX) skipped += due - sent - skipped;
    for (; sent + skipped < due; sent++) {
      const { session, alone } = members[sent % members.length]!;
      const isInSession = Math.floor(sent / members.length) % 2 === 0;
      const client = isInSession ? session : alone[sent % alone.length]!;
      const call = client.call({ tool: sent % 10 === 0 ? "steps" : "echo", ms: sent % 20 });
      const outcomes = isInSession ? inSession : modern;
      open++;
      pending.push(call.then((outcome) => {
        open--;
        outcomes.push(outcome);
      }));
    }
  }, TICK_MS);
  return {
    modern,
    inSession,
    async end() {
      clearInterval(timer);
      await Promise.all(pending);
    },
  };
}
