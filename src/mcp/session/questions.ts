/**
 * Questions of an upstream server during a call, which only the client can answer: while one is
 * open the server is not taken for silent, and after a time it is told that there is no answer.
 *
 * @module
 * @see MCP 2025-11-25, Client Features
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Timers } from "../../platform/timers.ts";
import { METHOD_NOT_FOUND } from "../message.ts";
import { errorResponse } from "../rpc_error.ts";
import { sendOneWay } from "./one_way.ts";
import type { Question } from "./reverse.ts";
import type { Asks, RunningCall, Session } from "./session.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

export interface Questions {
  /** @param id the server's own, as JSON text */
  readonly open: (from: Asking, id: string) => void;
  /** There is no way for an answer to come back. */
  readonly refuse: (from: Asking, id: string) => void;
  readonly isOpen: (session: Session, question: Pick<Question, "server" | "id">) => boolean;
  /** The client has answered one of a server's questions, or the server takes it back. */
  readonly close: (session: Session, server: UpstreamServer, id: string) => void;
  /** When somebody else than the upstream server was last waited for in a call, now included. */
  readonly pausedAtMs: (session: Session, running: RunningCall) => number;
}

export interface Asking {
  readonly session: Session;
  readonly server: UpstreamServer;
  /** The call in which the server asks, or the session. */
  readonly at: Asks;
}

export interface QuestionsDeps {
  readonly upstream: UpstreamSessions;
  readonly timers: Timers;
  readonly now: () => number;
}

export interface QuestionsOptions {
  readonly askMs: number;
  readonly firstByteMs: number;
}

export function createQuestions(
  { upstream, timers, now }: QuestionsDeps,
  { askMs, firstByteMs }: QuestionsOptions,
): Questions {
  function answer({ session, server }: Asking, id: string, error: unknown): void {
    const body = errorResponse(encoder.encode(id), error, "");
    // The server may be gone: then nobody waits for it.
    sendOneWay(upstream, session, server, body, firstByteMs).catch(() => {});
  }

  function close(at: Asks, key: string): void {
    at.asks?.get(key)?.cancel();
    if (at.asks?.delete(key)) at.answeredMs = now();
  }

  return {
    open(from, id) {
      const key = keyOf(from.server, id);
      const timer = timers.after(askMs, () => {
        close(from.at, key);
        const text = `The client did not answer within ${askMs / 1000} s`;
        answer(from, id, new GatewayError("upstream_timeout", text));
      });
      from.at.asks ??= new Map();
      from.at.asks.set(key, timer);
    },
    refuse(from, id) {
      const text = "The client cannot be asked: it has no session";
      answer(from, id, new ProtocolError(METHOD_NOT_FOUND, 200, text));
    },
    isOpen(session, { server, id }) {
      const key = keyOf({ slug: server }, id);
      return [session, ...session.calls.list()].some(({ asks }) => asks?.has(key));
    },
    close(session, server, id) {
      for (const at of [session, ...session.calls.list()]) close(at, keyOf(server, id));
    },
    pausedAtMs(session, running) {
      if (running.asks?.size || session.asks?.size) return now();
      return Math.max(running.answeredMs, session.answeredMs);
    },
  };
}

/** Several servers of a view may ask under one id. */
function keyOf({ slug }: Pick<UpstreamServer, "slug">, id: string): string {
  return `${slug} ${id}`;
}

const encoder = new TextEncoder();
