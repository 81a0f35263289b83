/**
 * A server of the session era whose tool asks its client, as a script for
 * `scripted_session_server.ts`, and a client of 2026-07-28 that is asked.
 *
 * @module
 */
import { callModern, type Message, type ModernCall, type ModernReply } from "./modern.ts";
import { said, type SessionScript, type Slot } from "./scripted_session_server.ts";
import type { ScriptedWorld } from "./scripted_world.ts";

export const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

/** What a client declares that can be asked everything. */
export const EVERYTHING: Message = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: {},
};

export const FORM: Message = {
  method: "elicitation/create",
  params: { message: "Who?", requestedSchema: { type: "object", properties: {} } },
};
export const SAMPLING: Message = {
  method: "sampling/createMessage",
  params: { messages: [], maxTokens: 10 },
};
export const ROOTS: Message = { method: "roots/list" };

/**
 * Asks these, round by round, and then answers with what it was told.
 * @param before what it says before it asks
 */
export function asking(rounds: readonly Message[][], before: readonly Message[] = []) {
  return (slot: Slot): SessionScript => {
    const told: unknown[] = [];
    let next = () => {};
    return {
      "tools/call"(request, reply) {
        const stream = reply.stream();
        for (const message of before) stream.message({ jsonrpc: "2.0", ...message });
        let round = 0;
        let id = 0;
        next = () => {
          const questions = rounds[round++];
          for (const one of questions ?? []) stream.message({ jsonrpc: "2.0", id: ++id, ...one });
          if (questions !== undefined) return;
          stream.message(said(request, JSON.stringify(told)));
          stream.end();
        };
        next();
      },
      response(request, reply) {
        reply.empty(202);
        const { message } = request;
        told.push(message.result ?? message.error);
        const asked = slot.requestsOf("response").length;
        let sum = 0;
        if (rounds.some(({ length }) => (sum += length) === asked)) next();
      },
    };
  };
}

/** Answers with this error. */
export function failing(error: Message): SessionScript {
  return {
    "tools/call": ({ idText }, reply) =>
      reply.json(`{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify(error)}}`),
  };
}

/** Calls the tool `t`; `change` says what is different in it. */
export type Call = (change?: ModernCall & { declared?: Message }) => Promise<ModernReply>;

export async function callerAt(world: ScriptedWorld, slot: Slot): Promise<Call> {
  const at = await world.at(slot);
  return ({ params = {}, declared = EVERYTHING, meta = {}, ...call } = {}) =>
    callModern(world.gateway.origin, {
      ...at,
      ...call,
      params: { name: "t", arguments: { a: 1 }, ...params },
      meta: { [CAPABILITIES]: declared, ...meta },
    });
}

/** The result of a reply. */
export function resultOf({ response }: ModernReply): Message {
  return response.result as Message;
}

/** The text that a tool answers with. */
export function textOf(reply: ModernReply): string {
  return String((resultOf(reply).content as Message[] | undefined)?.[0]?.text);
}

export interface Required {
  readonly requestState: string;
  /** By key. */
  readonly requests: Readonly<Record<string, Message>>;
  /** Answers to all of them: each says which it is an answer to. */
  readonly inputResponses: Message;
}

/** @throws when it does not ask for anything */
export function requiredIn(reply: ModernReply): Required {
  const { resultType, inputRequests, requestState } = resultOf(reply) ?? {};
  if (resultType !== "input_required") throw new Error(`Not asked: ${reply.text}`);
  const requests = inputRequests as Record<string, Message>;
  const answers = Object.entries(requests).map(([key, { method }]) => {
    return [key, { action: "accept", to: method }] as const;
  });
  return {
    requestState: requestState as string,
    requests,
    inputResponses: Object.fromEntries(answers) as Message,
  };
}

/** The parameters of a request that brings answers. */
export function answersTo(reply: ModernReply): Message {
  const { requestState, inputResponses } = requiredIn(reply);
  return { requestState, inputResponses };
}
