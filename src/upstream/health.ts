/**
 * A client of upstream servers that does not send to a server that is known to be away: it fails at
 * once instead, and says until when. It also knows how each server is.
 *
 * What is known belongs to a record: one that was changed begins anew, one that is gone is
 * forgotten with it.
 *
 * @module
 * @see contract.md, section 8, "Gateway failures"; security.md, OUT-11
 */
import type { UpstreamServer } from "../domain/server.ts";
import type { Origin } from "./breaker.ts";
import type { UpstreamClient, UpstreamRequest } from "./client.ts";
import {
  type Condition,
  type ConditionDeps,
  type ConditionOptions,
  createCondition,
  type Sent,
  type ServerHealth,
} from "./condition.ts";
import type { UpstreamReply } from "./reply.ts";
import { HeldBack, isPatient } from "./verdict.ts";

export interface GuardedClient extends UpstreamClient {
  readonly stateOf: (server: UpstreamServer) => ServerHealth;
  /**
   * Why a caller's request would not be sent now. For whoever waits for what another request finds
   * out: that one may be an attempt at a server that is away.
   */
  readonly refusalOf: (server: UpstreamServer) => HeldBack | undefined;
  /** Takes it for one of which nothing is known yet. */
  readonly forget: (server: UpstreamServer) => void;
  /** For the prober: what to go by, and where to tell what it found. */
  readonly conditionOf: (server: UpstreamServer) => Pick<
    Condition,
    "outlook" | "checked" | "overdue"
  >;
}

/**
 * @param client what sends: each of its requests counts
 * @returns a client that throws {HeldBack} besides, when nothing was sent
 */
export function createGuardedClient(
  client: UpstreamClient,
  deps: ConditionDeps,
  options: ConditionOptions,
): GuardedClient {
  const { monotonic } = deps.clock;
  const conditions = new WeakMap<UpstreamServer, Condition>();

  function conditionOf(server: UpstreamServer): Condition {
    let condition = conditions.get(server);
    if (condition === undefined) {
      conditions.set(server, condition = createCondition(server, deps, options));
    }
    return condition;
  }

  function send(server: UpstreamServer, request: UpstreamRequest): Promise<UpstreamReply> {
    if (!server.enabled) return Promise.reject(switchedOff(server));
    // That an API is away says nothing about the gateway.
    if (server.transport === "own") return sentBy(client, server, request);
    const condition = conditionOf(server);
    const startedMs = monotonic();
    const ticket = condition.admit(originOf(request), startedMs);
    if (typeof ticket !== "number") return Promise.reject(ticket);
    const reply = sentBy(client, server, request);
    const failed = (error: unknown) => condition.failed(sentAs(request, ticket, startedMs), error);
    if (!condition.isCalm()) return examined(reply, condition, ticket, failed);
    // The road of almost every call: what it gives is not waited for.
    reply.then((reply) => condition.answered(ticket, reply), failed);
    return reply;
  }

  async function remove(...[server, session, totalMs]: Parameters<UpstreamClient["remove"]>) {
    // A server that was switched off is left without sessions all the same.
    const condition = conditionOf(server);
    const startedMs = monotonic();
    const ticket = condition.admit("watch", startedMs);
    if (typeof ticket !== "number") throw ticket;
    try {
      const status = await client.remove(server, session, totalMs);
      if (status < 500) condition.alive(ticket);
      return status;
    } catch (error) {
      condition.failed({ ticket, startedMs, isPatient: false, isAside: true }, error);
      throw error;
    }
  }

  return {
    send,
    remove,
    refusalOf: (server) =>
      server.enabled ? conditionOf(server).refusal("caller", monotonic()) : switchedOff(server),
    stateOf: (server) => conditionOf(server).health(),
    forget: (server) => void conditions.delete(server),
    conditionOf,
  };
}

function originOf({ isQuiet, caller }: UpstreamRequest): Origin {
  return isQuiet ? "watch" : caller === "" ? "own" : "caller";
}

/** A failure to send is one, however it is told. */
function sentBy(client: UpstreamClient, server: UpstreamServer, request: UpstreamRequest) {
  try {
    return client.send(server, request);
  } catch (error) {
    return Promise.reject(error);
  }
}

function sentAs(request: UpstreamRequest, ticket: number, startedMs: number): Sent {
  return { ticket, startedMs, isPatient: isPatient(request), isAside: request.isQuiet === true };
}

/** While there are doubts, a stream is no proof: something in front of the server may open it. */
async function examined(
  sent: Promise<UpstreamReply>,
  condition: Condition,
  ticket: number,
  failed: (error: unknown) => void,
): Promise<UpstreamReply> {
  try {
    const reply = await sent;
    if (reply.isStream !== true) {
      condition.answered(ticket, reply);
      return reply;
    }
    return withFirstMessage(reply, condition, ticket, failed);
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** Tells of the first message, or of what came instead of it. */
function withFirstMessage(
  reply: UpstreamReply,
  condition: Condition,
  ticket: number,
  failed: (error: unknown) => void,
): UpstreamReply {
  let isOpen = true;
  const told = (message: Uint8Array | undefined) => {
    if (isOpen && message !== undefined) {
      isOpen = false;
      condition.alive(ticket);
    }
    return message;
  };
  return {
    ...reply,
    take: () => told(reply.take()),
    async next() {
      try {
        return told(await reply.next());
      } catch (error) {
        if (isOpen) failed(error);
        isOpen = false;
        throw error;
      }
    },
    close() {
      if (isOpen) condition.left(ticket);
      isOpen = false;
      reply.close();
    },
  };
}

function switchedOff({ name }: UpstreamServer): HeldBack {
  return new HeldBack(`The upstream server "${name}" is switched off`);
}
