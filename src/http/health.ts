/**
 * Whether the process lives, whether it should get traffic, and what it is.
 *
 * @module
 * @see contract.md, section 8, "Readiness"
 */
export interface Health {
  /** 200 while the process can answer at all. */
  readonly live: () => Response;
  /**
   * 200, with what does not work for now, if anything; or 503 with the reasons why a balancer should
   * look elsewhere.
   */
  readonly ready: () => Response;
  readonly version: () => Response;
}

export interface HealthOptions {
  readonly version: string;
  readonly revisions: readonly string[];
  /** Reasons against more traffic, as stable words (`draining`); empty when there are none. */
  readonly notReady: () => readonly string[];
  /** What does not work while the rest does, as stable words (`redis`, `database`). */
  readonly degraded: () => readonly string[];
}

export function createHealth(options: HealthOptions): Health {
  return {
    live: () => json(200, { status: "ok" }),
    ready() {
      const reasons = options.notReady();
      if (reasons.length > 0) return json(503, { status: "not ready", reasons });
      const degraded = options.degraded();
      return json(200, { status: "ready", ...degraded.length > 0 && { degraded } });
    },
    version: () =>
      json(200, { name: "sallyport", version: options.version, protocol: options.revisions }),
  };
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
  });
}
