/**
 * The questions of one call: which are to be passed on, which were, and which may not be.
 *
 * @module
 */
import { LIMITS } from "../../domain/limits.ts";
import type { Timers } from "../../platform/timers.ts";
import type { ClientMessage, JsonObject } from "../message.ts";
import { answerIn, type Ask, askOf, withdrawnBy } from "./ask.ts";
import { joined, missingOf } from "./capabilities.ts";

export interface Asking {
  /**
   * Takes a question, or notes that one is taken back.
   * @param declared what the client has declared
   * @returns false for what is no question
   */
  readonly take: (message: Uint8Array, declared: JsonObject) => boolean;
  /** Whether there is something to ask, and what belongs together has arrived. */
  readonly isReady: () => boolean;
  /** What is to be asked; it counts as asked from now on. */
  readonly show: () => readonly Ask[];
  /** The client's answers to what was shown; what it leaves out is asked again. */
  readonly answered: (message: ClientMessage) => void;
  /** What the client would have had to declare for questions that were refused; if any were. */
  readonly refused: () => JsonObject | undefined;
}

export interface AskingDeps {
  readonly timers: Timers;
  /** Tells the server what became of its question: a result or an error, as JSON text. */
  readonly settle: (ask: Ask, member: "result" | "error", value: string) => void;
  /** There is something to ask now. */
  readonly ready: () => void;
}

/** Questions that were asked together arrive one after the other. */
const TOGETHER_MS = 25;

const REFUSAL = '{"code":-32601,"message":"The client cannot be asked for this"}';

export function createAsking({ timers, settle, ready }: AskingDeps): Asking {
  const waiting = new Map<string, Ask>();
  const shown = new Map<string, Ask>();
  let count = 0;
  let bytes = 0;
  let isTogether = false;
  let refused: JsonObject | undefined;

  function put(ask: Ask): void {
    bytes += ask.request.length;
    waiting.set(ask.key, ask);
    if (waiting.size > 1) return;
    isTogether = false;
    timers.after(TOGETHER_MS, () => {
      isTogether = true;
      ready();
    });
  }

  function asked(ask: Ask, declared: JsonObject): void {
    // Of the session, not of the client: it only asks whether there is one.
    if (ask.method === "ping") return settle(ask, "result", "{}");
    const missing = ask.required && missingOf(ask.required, declared);
    if (missing !== undefined) refused = joined(refused ?? {}, missing);
    const isAskable = ask.required !== undefined && missing === undefined;
    if (isAskable && bytes + ask.request.length <= LIMITS.askedBytes) put(ask);
    else settle(ask, "error", REFUSAL);
  }

  return {
    take(message, declared) {
      const ask = askOf(message, `ask-${count + 1}`);
      if (ask === undefined) {
        const own = withdrawnBy(message);
        for (const asks of own === undefined ? [] : [waiting, shown]) {
          for (const one of asks.values()) if (one.own === own) asks.delete(one.key);
        }
        return false;
      }
      count++;
      asked(ask, declared);
      return true;
    },
    isReady: () => isTogether && waiting.size > 0,
    show() {
      const asks = [...waiting.values()];
      waiting.clear();
      bytes = 0;
      for (const ask of asks) shown.set(ask.key, ask);
      return asks;
    },
    answered(message) {
      const asks = [...shown.values()];
      shown.clear();
      for (const ask of asks) {
        const value = answerIn(message, ask.key);
        if (value === undefined) put(ask);
        else settle(ask, "result", value);
      }
    },
    refused: () => refused,
  };
}
