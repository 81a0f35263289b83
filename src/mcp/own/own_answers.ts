/**
 * What the gateway answers when a server asks its own session something: there is nobody behind it.
 *
 * @module
 */
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { SessionMark, UpstreamClient } from "../../upstream/client.ts";
import { nameOf } from "../json_scan.ts";
import { METHOD_NOT_FOUND } from "../message.ts";
import { refusalOf } from "../refusal.ts";
import { type Found, isText } from "../upstream_message.ts";

export interface OwnAnswers {
  /** Answers a question of the server's, unless too many answers are on their way. */
  readonly asked: (message: Uint8Array, question: Found) => void;
  /** Sends a message that gets no answer. @throws as `UpstreamClient.send` */
  readonly tell: (text: string) => Promise<void>;
}

const PING = nameOf("ping");
const ROOTS = nameOf("roots/list");
const decoder = new TextDecoder();
const encoder = new TextEncoder();

export function createOwnAnswers(
  client: UpstreamClient,
  server: UpstreamServer,
  { headers, session }: SessionMark,
  firstByteMs: number,
): OwnAnswers {
  let open = 0;

  async function tell(text: string): Promise<void> {
    const reply = await client.send(server, {
      body: encoder.encode(text),
      headers,
      session,
      caller: "",
      idempotent: false,
      isOneWay: true,
      firstMs: firstByteMs,
      silenceMs: firstByteMs,
      totalMs: firstByteMs,
      abort: new AbortController(),
    });
    refusalOf(reply);
  }

  return {
    tell,
    asked(message, question) {
      const id = idText(message, question);
      if (id === undefined || open >= LIMITS.ownAnswersOpen) return;
      open++;
      const said = answerTo(message, question);
      // Whether the server takes it is its own affair.
      tell(`{"jsonrpc":"2.0","id":${id},${said}}`).catch(() => {}).finally(() => open--);
    },
  };
}

function answerTo(message: Uint8Array, { method }: Found): string {
  if (method !== undefined && isText(message, method, PING)) return '"result":{}';
  if (method !== undefined && isText(message, method, ROOTS)) return '"result":{"roots":[]}';
  const text = "The gateway asks on behalf of nobody";
  return `"error":{"code":${METHOD_NOT_FOUND},"message":"${text}"}`;
}

/** The id as it was written: a text or a number. */
function idText(message: Uint8Array, { id }: Found): string | undefined {
  if (id === undefined || id.end - id.start > LIMITS.questionIdBytes) return undefined;
  const text = decoder.decode(message.subarray(id.start, id.end));
  return /^["\d-]/.test(text) ? text.replace(/[\r\n]/g, " ") : undefined;
}
