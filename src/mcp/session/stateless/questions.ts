/**
 * Questions of servers of the stateless era as requests to the client, and the client's answers for
 * the request that is sent once more.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Multi round-trip requests"
 */
import { GatewayError } from "../../../domain/errors.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { randomText } from "../../../platform/random.ts";
import { edited } from "../../edit.ts";
import { nameOf } from "../../json_scan.ts";
import { isObject } from "../../message.ts";
import { broken, within } from "../../upstream_message.ts";
import { idKey } from "../reverse.ts";
import type { Wanted } from "./answer.ts";
import { type Identity, notDeclared } from "./identity.ts";
import { joined, type Sent, sliceOf, textAt, textOf } from "./request.ts";

/** Answers of clients that are waited for, by the ids of the questions. */
export interface Answers {
  /** An id unlike any other, also after a restart. */
  readonly newId: () => string;
  /** @param session whose client may answer */
  readonly expect: (session: string, id: string, take: (answer: Sent) => void) => void;
  readonly forget: (id: string) => void;
  /** Nothing happens with one that is not waited for. */
  readonly take: (session: string, answer: Sent) => void;
}

export function createAnswers(): Answers {
  const waiting = new Map<string, { session: string; take: (answer: Sent) => void }>();
  const prefix = randomText(6);
  let count = 0;
  return {
    newId: () => `${prefix}-${++count}`,
    expect: (session, id, take) => void waiting.set(JSON.stringify(id), { session, take }),
    forget: (id) => void waiting.delete(JSON.stringify(id)),
    take(session, answer) {
      const { id } = answer.found;
      const key = id === undefined ? "" : idKey(sliceOf(answer.bytes, id));
      const found = waiting.get(key);
      if (found?.session !== session) return;
      waiting.delete(key);
      found.take(answer);
    },
  };
}

/** Several questions at once. */
export interface Asked {
  /** Requests for the client. */
  readonly messages: readonly Uint8Array[];
  /** `inputResponses`, JSON text, when all are answered. @throws {GatewayError} */
  readonly answered: Promise<Uint8Array>;
  /** Nobody waits for the answers any more. */
  readonly forget: () => void;
}

/** @throws {GatewayError} `upstream_protocol` for what this client cannot be asked */
export function ask(
  answers: Answers,
  session: string,
  identity: Identity,
  wanted: readonly Wanted[],
): Asked {
  if (wanted.length > LIMITS.inputRequests) throw broken("too many questions at once");
  for (const { method, params } of wanted) refuseUndeclared(identity, method, params);
  const ids = wanted.map(() => answers.newId());
  let bytes = 0;
  const parts = wanted.map(async (one, i) => {
    const answer = await new Promise<Sent>((take) => answers.expect(session, ids[i]!, take));
    const value = valueOf(one.method, answer);
    bytes += value.length;
    if (bytes <= LIMITS.inputAnswersBytes) return [one.key, ":", value];
    throw new GatewayError("too_large", "The client's answers are too large to be passed on");
  });
  const answered = Promise.all(parts).then((all) =>
    joined(["{", ...all.flatMap((part, i) => i === 0 ? part : [",", ...part]), "}"])
  );
  // Whoever waits is told; a call that has ended waits no more.
  answered.catch(() => {});
  return {
    messages: wanted.map((one, i) => request(one, ids[i]!, answers)),
    answered,
    forget: () => ids.forEach(answers.forget),
  };
}

function refuseUndeclared(
  identity: Identity,
  method: string,
  params: Uint8Array | undefined,
): void {
  const parsed: unknown = params && JSON.parse(decoder.decode(params));
  const missing = notDeclared(identity, method, isObject(parsed) ? parsed : undefined);
  if (missing === undefined) return;
  const text = `The upstream server asks for ${missing}, which the client has not declared`;
  throw new GatewayError("upstream_protocol", text);
}

function request({ method, params }: Wanted, id: string, answers: Answers): Uint8Array {
  const shown = params === undefined ? undefined : withElicitationId(params, answers);
  return joined([
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"${method}"`,
    ...(shown === undefined ? [] : [',"params":', shown]),
    "}",
  ]);
}

/** A URL is shown under an id in 2025-11-25, and under none in 2026-07-28. */
function withElicitationId(params: Uint8Array, answers: Answers): Uint8Array {
  const whole = { start: 0, end: params.length, nameStart: 0, nameEnd: 0 };
  const isUrl = textAt(params, whole, [MODE]) === "url";
  if (!isUrl || within(params, whole, ELICITATION_ID) !== undefined) return params;
  const value = encoder.encode(`"elicitationId":${JSON.stringify(answers.newId())},`);
  return edited(params, [{ start: 1, end: 1, value }]);
}

/**
 * The client's answer as the server gets it. There is none that means an error: a form is taken for
 * dismissed then, and without the rest the call cannot go on.
 */
function valueOf(method: string, { bytes, found }: Sent): Uint8Array {
  const { result } = found;
  if (result !== undefined && bytes[result.start] === OPEN) return sliceOf(bytes, result);
  const error: unknown = found.error && JSON.parse(textOf(bytes, found.error));
  const { code, message } = isObject(error) ? error : {};
  const isLate = code === LATE;
  if (method === "elicitation/create" && !isLate) return DISMISSED;
  const why = typeof message === "string" ? `: ${message}` : "";
  throw new GatewayError(
    isLate ? "upstream_timeout" : "refused",
    `The client did not answer "${method}", which the upstream server needs${why}`,
  );
}

/** What is said in place of a client that did not answer in time. */
const LATE = -31002;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const DISMISSED = encoder.encode('{"action":"cancel"}');
const OPEN = 0x7b;
const MODE = nameOf("mode");
const ELICITATION_ID = nameOf("elicitationId");
