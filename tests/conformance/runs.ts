/**
 * Runs: which referee plays which scenarios, and in which direction.
 *
 * Both tables are data. To add a run, add a row.
 *
 * @module
 */

/** Releases of the referee; only the newer one knows 2026-07-28. */
export const REFEREE = {
  stable: "npm:@modelcontextprotocol/conformance@0.1.16",
  next: "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12",
} as const;

/**
 * What is in between: nothing, one gateway, one whose own items answer what is simple, or three
 * behind a balancer.
 */
export type Side = "direct" | "through" | "own" | "replicas";

/** The referee is the client: referee, then (or not) the gateway, then the fixture server. */
export interface ServerRun {
  readonly title: string;
  readonly referee: string;
  /** Which scenarios; none means the referee's default suite. */
  readonly selection: readonly string[];
  /** What of the gateway is in between: the server's own endpoint, or a virtual server. */
  readonly through: "own endpoint" | "virtual server";
  /** Set where the server does not speak the referee's era: it is never played directly. */
  readonly bridged?: Bridged;
}

export interface Bridged {
  /** The only era that the server speaks. */
  readonly era: "legacy" | "modern";
  /** Ids of checks that such a server cannot pass; docs/protocol.md says why. */
  readonly cannot: readonly string[];
}

/** The referee is the server: reference client, then (or not) the gateway, then the referee. */
export interface ClientRun {
  readonly title: string;
  readonly referee: string;
  readonly scenario: string;
  readonly revision: string;
  readonly isAlwaysOnReplicas: boolean;
}

/** Whether it is played through replicas even when nobody asks for it. */
export function isAlwaysOnReplicas(run: ServerRun | ClientRun): boolean {
  return "through" in run ? run.through === "own endpoint" : run.isAlwaysOnReplicas;
}

/** Whether it is also played with the gateway's own items in place of the server's simple ones. */
export function isWithOwn(run: ServerRun | ClientRun): boolean {
  return "through" in run && run.through === "virtual server" && run.bridged === undefined;
}

const SUITES: readonly Omit<ServerRun, "through">[] = [
  { title: "server 0.1 default", referee: REFEREE.stable, selection: [] },
  { title: "server 0.1 all", referee: REFEREE.stable, selection: ["--suite", "all"] },
  {
    title: "server 0.2 2025-11-25",
    referee: REFEREE.next,
    selection: ["--requirements", "2025-11-25"],
  },
  {
    title: "server 0.2 2026-07-28",
    referee: REFEREE.next,
    selection: ["--requirements", "2026-07-28"],
  },
];

const THROUGH = ["own endpoint", "virtual server"] as const;

/** The referee of one era, a server of the other. */
const BRIDGED_RUNS: readonly ServerRun[] = THROUGH.flatMap((through) => [{
  title: `server 0.2 2026-07-28, sessions upstream, ${through}`,
  referee: REFEREE.next,
  selection: ["--requirements", "2026-07-28"],
  through,
  bridged: {
    era: "legacy",
    cannot: [
      "sep-2575-server-rejects-undeclared-capability",
      "sep-2575-missing-capability-http-400",
      "sep-2322-elicitation-incomplete",
    ],
  },
}, {
  title: `server 0.2 2025-11-25, stateless upstream, ${through}`,
  referee: REFEREE.next,
  selection: ["--requirements", "2025-11-25"],
  through,
  bridged: { era: "modern", cannot: [] },
}]);

export const SERVER_RUNS: readonly ServerRun[] = [
  ...SUITES.map((suite) => ({ ...suite, through: "own endpoint" as const })),
  ...SUITES.map((suite) => ({
    ...suite,
    title: `${suite.title} virtual`,
    through: "virtual server" as const,
  })),
  ...BRIDGED_RUNS,
];

export const CLIENT_RUNS: readonly ClientRun[] = [
  clientRun("initialize", "2025-11-25"),
  clientRun("tools_call", "2025-11-25", { isAlwaysOnReplicas: true }),
  clientRun("json-schema-2020-12-preservation", "2025-11-25"),
  clientRun("elicitation-sep1034-client-defaults", "2025-11-25", { isAlwaysOnReplicas: true }),
  clientRun("sse-retry", "2025-11-25", { isAlwaysOnReplicas: true }),
  clientRun("tools_call", "2026-07-28"),
  clientRun("json-schema-2020-12-preservation", "2026-07-28"),
  clientRun("request-metadata", "2026-07-28"),
  clientRun("http-standard-headers", "2026-07-28"),
  clientRun("http-custom-headers", "2026-07-28"),
  clientRun("http-invalid-tool-headers", "2026-07-28"),
  clientRun("json-schema-ref-no-deref", "2026-07-28"),
  clientRun("sep-2322-client-request-state", "2026-07-28", { isAlwaysOnReplicas: true }),
];

function clientRun(
  scenario: string,
  revision: string,
  { isAlwaysOnReplicas = false } = {},
): ClientRun {
  const title = `client ${revision} ${scenario}`;
  return { title, referee: REFEREE.next, scenario, revision, isAlwaysOnReplicas };
}
