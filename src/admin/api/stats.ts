/**
 * `/api/stats`: counts and latencies since the process started.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { UpstreamService } from "../../catalog/upstream_service.ts";
import type { Principal } from "../../domain/principal.ts";
import type { AuditCounts } from "../../events/audit_trail.ts";
import type { Counts, StatsSnapshot } from "../../telemetry/stats.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { instant, instantOf } from "./schemas.ts";

export interface StatsOperationsDeps {
  readonly snapshot: () => StatsSnapshot;
  readonly upstreams: Pick<UpstreamService, "list">;
  /** `undefined` where nothing is recorded. */
  readonly auditCounts: (() => AuditCounts) | undefined;
}

const counts = {
  calls: z.number().int(),
  errors: z.number().int(),
  latencyMs: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }),
};

const record = z.object({
  since: instant,
  total: z.object(counts),
  methods: z.array(z.object({ method: z.string(), ...counts })),
  upstreams: z.array(z.object({ id: z.string(), slug: z.string(), ...counts })),
  audit: z.object({ records: z.number().int(), lost: z.number().int() }).optional().openapi({
    description: "lost: records that could not be kept; anything but 0 is a reason to look",
  }),
}).openapi("Stats");

export function createStatsOperations(deps: StatsOperationsDeps): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/api/stats",
      summary: "Calls, errors and latencies of this process, by method and by upstream server",
      query: NO_QUERY,
      body: NO_BODY,
      status: 200,
      answer: record,
      handle: ({ principal }) => ({ status: 200, body: recordOf(deps, principal) }),
    }),
  ];
}

function recordOf(
  { snapshot, upstreams, auditCounts }: StatsOperationsDeps,
  principal: Principal,
): z.input<typeof record> {
  const { sinceMs, total, methods, upstreams: counted } = snapshot();
  const byId = new Map(counted);
  return {
    since: instantOf(sinceMs),
    total: shown(total),
    audit: auditCounts && { ...auditCounts() },
    methods: methods.map(([method, of]) => ({ method, ...shown(of) })),
    // Only servers that the caller may see: not even that another is used is said.
    upstreams: upstreams.list(principal).flatMap(({ server: { id, slug } }) => {
      const of = byId.get(id);
      return of === undefined ? [] : [{ id, slug, ...shown(of) }];
    }),
  };
}

function shown({ calls, errors, p50Ms, p95Ms, p99Ms }: Counts) {
  return { calls, errors, latencyMs: { p50: p50Ms, p95: p95Ms, p99: p99Ms } };
}
