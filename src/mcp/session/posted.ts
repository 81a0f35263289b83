/**
 * The requests of one POST: none of them runs already, each is recorded, and all of them are answered
 * through one outlet.
 *
 * @module
 */
import { type CallAudit, recordedCalls, type Records } from "../call_audit.ts";
import { explained, isIdempotent } from "../failure.ts";
import type { Batch, ClientMessage } from "../message.ts";
import { errorResponse } from "../rpc_error.ts";
import type { CallClaims } from "./call_claims.ts";
import { type SessionCalls, stillRunning } from "./calls.ts";
import type { Targets } from "./endpoint.ts";
import type { Openings } from "./openings.ts";
import type { Outlet, Outlets, WholeAnswer } from "./outlet.ts";
import type { Reader } from "./reader.ts";
import { recordedOutlet } from "./recorded_outlet.ts";
import { idKey } from "./reverse.ts";
import { type Session, takesEmptyEvents } from "./session.ts";
import type { Streams } from "./streams.ts";
import type { Plan, Visitor } from "./target.ts";

/** Their answers as one body, or a stream. */
export interface Pending {
  readonly kind: "pending";
  /** `undefined` once there is a stream. */
  readonly whole: Promise<WholeAnswer | undefined>;
  readonly isBatch: boolean;
  /**
   * A connection for the stream, which is opened if need be.
   * @param cut breaks the connection of a client that takes nothing any more
   */
  readonly read: (cut: () => void) => Promise<Reader>;
}

/** The requests of one POST. */
export interface Asked {
  readonly requests: readonly ClientMessage[];
  readonly isWhole: boolean;
  readonly batch?: Batch | undefined;
}

export interface PostedDeps {
  readonly targets: Targets;
  readonly calls: SessionCalls;
  readonly outlets: Outlets;
  readonly streams: Streams;
  /** `undefined` where there is one replica: it knows its own calls. */
  readonly claims: CallClaims | undefined;
  readonly openings: Pick<Openings, "over">;
  /** `undefined` where nothing is recorded. */
  readonly audit: CallAudit | undefined;
}

/** Begins requests in a session. @throws as `SessionEndpoint.post` */
export type BeginPosted = (
  visitor: Visitor,
  session: Session,
  asked: Asked,
) => Promise<Pending>;

export function createPosted(deps: PostedDeps): BeginPosted {
  const { targets, calls, claims, openings } = deps;

  /** Begins the requests, once it is clear that none of them runs already. */
  async function accept(
    visitor: Visitor,
    session: Session,
    asked: Asked,
    records: Records,
  ): Promise<Pending> {
    const { requests, batch } = asked;
    calls.refuseRunning(session, requests);
    const plans = requests.map((request) => {
      const make = () => planOf(targets, visitor, session, request);
      return batch === undefined
        ? make()
        : planOrRefusal(make, request, visitor.correlationId, batch);
    });
    const keys = requests.filter((_, i) => plans[i]!.kind === "upstream").map(({ id }) =>
      idKey(id)
    );
    if (keys.length > 0) {
      const opener = claims && await claimed(claims, session, requests, keys);
      const opening = openings.over(session.key, opener);
      if (opening !== undefined) await opening;
    }
    // Another one with the same id may have come meanwhile; from here on nothing is waited for.
    calls.refuseRunning(session, requests);
    return pending(visitor, session, asked, plans, records);
  }

  function pending(
    visitor: Visitor,
    session: Session,
    { requests, isWhole, batch }: Asked,
    plans: readonly Plan[],
    records: Records,
  ): Pending {
    const { endpoint, correlationId, version, clientHeaders } = visitor;
    const canPrime = takesEmptyEvents(session, version);
    const [first] = plans;
    const slug = first?.kind === "upstream" ? first.server.slug : endpoint.key;
    const outlet = deps.outlets.create(session, { slug }, requests, { isWhole, canPrime });
    for (const [i, one] of plans.entries()) {
      const request = requests[i]!;
      const own = recordedOutlet(outlet, records[i]);
      if (one.kind === "answer") {
        say(own, request, one.answer, correlationId);
        continue;
      }
      const { server, prepared } = one;
      const released = claims && (() => claims.release(session.key, idKey(request.id)));
      const about = { session, server, correlationId, canAsk: true, clientHeaders, released };
      calls.start({ ...about, outlet: own }, request, prepared);
    }
    return {
      kind: "pending",
      whole: outlet.whole,
      isBatch: batch !== undefined,
      async read(cut) {
        try {
          return await readCall(deps.streams, session, outlet, { canPrime, cut });
        } catch (error) {
          // They run already, whether or not anybody can be told what comes of them.
          throw explained(error, requests.every(({ method }) => isIdempotent(method)));
        }
      },
    };
  }

  return (visitor, session, asked) => {
    const run = (records: Records) => accept(visitor, session, asked, records);
    return recordedCalls(deps.audit, visitor, asked.requests, run);
  };
}

function planOf(
  targets: Targets,
  visitor: Visitor,
  session: Session,
  message: ClientMessage,
): Plan {
  const { endpoint } = visitor;
  return endpoint.kind === "view"
    ? targets.view.plan(visitor, endpoint, session, message)
    : targets.verbatim.plan(visitor, endpoint, session, message);
}

/**
 * @returns see `Claimed`
 * @throws {InvalidMessage} when one of the calls runs on another replica
 */
async function claimed(
  claims: CallClaims,
  session: Session,
  requests: readonly ClientMessage[],
  keys: readonly string[],
): Promise<string | undefined> {
  const { isFree, opener } = await claims.claim(session.key, keys);
  if (isFree) return opener;
  throw stillRunning(requests.length === 1 ? requests[0]!.id : undefined);
}

/** One of several: when it is refused the others still have their answers. */
function planOrRefusal(
  make: () => Plan,
  request: ClientMessage,
  correlationId: string,
  { refused }: Batch,
): Plan {
  try {
    const refusal = refused?.get(request);
    if (refusal !== undefined) throw refusal;
    return make();
  } catch (error) {
    return { kind: "answer", answer: errorResponse(request.id, error, correlationId) };
  }
}

/** The answer that is known here, as what the upstream server would have said. */
function say(
  outlet: Outlet,
  { id }: ClientMessage,
  answer: Uint8Array | Promise<Uint8Array>,
  correlationId: string,
): void {
  const give = (message: Uint8Array) =>
    outlet.say({ events: [{ message, isResponse: true }], status: 200, done: 1 });
  const pending = answer instanceof Promise
    ? answer.catch((error) => errorResponse(id, error, correlationId)).then(give)
    : give(answer);
  pending.catch(() => outlet.giveUp());
}

async function readCall(
  streams: Streams,
  session: Session,
  outlet: Outlet,
  { canPrime, cut }: { readonly canPrime: boolean; readonly cut: () => void },
): Promise<Reader> {
  const stream = await outlet.open().finally(outlet.attached);
  const reader = streams.read(session.key, stream, {
    afterSeq: 0,
    takesEmptyEvents: canPrime,
    primes: canPrime,
    isOfCall: true,
    cut,
  });
  const pollMs = outlet.pollMs();
  if (pollMs !== undefined) reader.hangUp(pollMs);
  return reader;
}
