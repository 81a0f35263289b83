/**
 * Where requests and messages are counted against the limits of rates, before anything is done for
 * them: requests at the edge, by source before and by principal after it is known who sends them;
 * the further messages of a batch, and calls of tools, when the body has been read.
 *
 * @module
 * @see contract.md, section 2, `RATE_LIMIT_*`; section 8, "Gateway failures"
 */
import type { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Views } from "../catalog/views.ts";
import type { Endpoint } from "../mcp/endpoint.ts";
import { type Batch, type ClientMessage, decodeClientBody } from "../mcp/message.ts";
import type { Timers } from "../platform/timers.ts";
import type { RateLimits, Verdict } from "../policy/rate_limits.ts";
import { readBody } from "./body.ts";
import { type CallFailed, notTaken } from "./call_failed.ts";
import type { RequestHead } from "./request_head.ts";

/** A posted body, and whose it is. */
interface Posted {
  readonly principal: Principal;
  readonly endpoint: Endpoint;
  readonly correlationId: string;
}

export interface RateGate extends Pick<RateLimits, "source" | "principal"> {
  /**
   * Counts what the edge has not counted: it took one for the request.
   * @returns the body, of a batch without what is refused
   * @throws {CallFailed} for a message that is refused, `RateLimited` for a whole batch
   */
  readonly admit: <T extends ClientMessage | Batch>(by: Posted, message: T) => T | Promise<T>;
}

export interface RateGateDeps {
  readonly limits: RateLimits;
  readonly views: Pick<Views, "of">;
}

export function createRateGate({ limits, views }: RateGateDeps): RateGate {
  /** Against the tool's own limit. */
  function toolVerdict(by: Posted, message: ClientMessage): Verdict | Promise<Verdict> {
    if (limits.tool === undefined || message.method !== "tools/call") return undefined;
    const tool = toolOf(views, by, message.params?.name);
    return tool === undefined ? undefined : limits.tool(by.principal, tool);
  }

  async function admitBatch(by: Posted, batch: Batch): Promise<Batch> {
    const refused = new Map<ClientMessage, GatewayError>();
    for (const [i, message] of batch.messages.entries()) {
      const further = i === 0 ? undefined : await limits.principal?.(by.principal);
      const verdict = further ?? await toolVerdict(by, message);
      if (verdict !== undefined) refused.set(message, verdict);
    }
    if (refused.size === batch.messages.length) throw refused.get(batch.messages[0]!);
    return refused.size === 0 ? batch : { ...batch, refused };
  }

  function admit(by: Posted, message: ClientMessage | Batch) {
    if (message.kind === "batch") return admitBatch(by, message);
    const settled = (verdict: Verdict) => {
      if (verdict !== undefined) throw notTaken(verdict, message, by.correlationId);
      return message;
    };
    const verdict = toolVerdict(by, message);
    return verdict instanceof Promise ? verdict.then(settled) : settled(verdict);
  }

  return {
    source: limits.source,
    principal: limits.principal,
    // What comes out is of the kind that went in.
    admit: admit as RateGate["admit"],
  };
}

/**
 * What is counted as one tool: the same through every endpoint that shows it, whatever it is called
 * there. Names that nobody knows are one together: whoever makes them up has no more for it.
 */
function toolOf(
  views: Pick<Views, "of">,
  { endpoint, principal }: Posted,
  name: unknown,
): string | undefined {
  if (typeof name !== "string") return undefined;
  const view = endpoint.kind === "view" ? endpoint.view : views.of(endpoint.key);
  // What is hidden must not be told from what is not there by being limited.
  const binding = view?.find(principal, "tool", name);
  if (binding !== undefined) return `${binding.server.id} ${binding.item.upstreamName}`;
  return endpoint.kind === "view" ? undefined : `${endpoint.server.id} `;
}

/**
 * Makes the answer to a POST that is refused before its body was read. The id is wanted for it, and
 * nothing else of the body: of a large one not even that.
 */
export async function refusedUnread(
  timers: Timers,
  refusal: GatewayError,
  { request, head, correlationId }: {
    readonly request: Request;
    readonly head: RequestHead;
    readonly correlationId: string;
  },
): Promise<CallFailed | GatewayError> {
  const length = head.headers.get("content-length");
  if (head.method !== "POST" || !(Number(length) <= LIMITS.refusedBodyBytes)) return refusal;
  const limits = { bytesMax: LIMITS.refusedBodyBytes, timeoutMs: LIMITS.requestBodyMs };
  try {
    const message = decodeClientBody(await readBody(request, length, limits, timers));
    return message.kind === "batch" ? refusal : notTaken(refusal, message, correlationId);
  } catch {
    // Whatever else is wrong with it, it comes at the wrong time first of all.
    return refusal;
  }
}
