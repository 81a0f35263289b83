/**
 * A session of the gateway's own at a server of the session era: how it begins, and how it ends.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle"
 */
import type { Description } from "../../catalog/reader.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { SessionMark, UpstreamClient } from "../../upstream/client.ts";
import type { EraProbe } from "../era_probe.ts";
import { METHOD_NOT_FOUND } from "../message.ts";
import { isOfSessionEra, NEWEST_SESSION_REVISION, type Revision } from "../revisions/revision.ts";
import { HEADER_MISMATCH, UNSUPPORTED_VERSION } from "../revisions/stateless_era.ts";
import type { Found } from "../upstream_message.ts";
import { type OwnAnswer, type OwnCalls, OwnRefusal, resultOf } from "./calls.ts";
import { descriptionOf, OWN_CAPABILITIES, ownInfo } from "./identity.ts";
import { createOwnAnswers } from "./own_answers.ts";

export interface OwnSession {
  /** `undefined` for servers that keep nothing between requests. */
  readonly id: string | undefined;
  readonly mark: SessionMark;
  readonly description: Description;
  /** Takes what the server asks. */
  readonly asked: (message: Uint8Array, question: Found) => void;
}

export interface HandshakeDeps {
  readonly client: UpstreamClient;
  readonly calls: OwnCalls;
  readonly eras: Pick<EraProbe, "forget">;
}

export interface HandshakeOptions {
  readonly version: string;
  readonly firstByteMs: number;
}

const CLOSE_MS = 2_000;

/**
 * Cannot be aborted: nobody would know of the session that the server has opened all the same.
 * @throws as `OwnCalls.ask`; what was opened is ended then
 */
export async function openSession(
  { client, calls, eras }: HandshakeDeps,
  { version, firstByteMs }: HandshakeOptions,
  server: UpstreamServer,
): Promise<OwnSession> {
  const answer = await calls.ask({
    server,
    method: "initialize",
    params: {
      protocolVersion: NEWEST_SESSION_REVISION,
      capabilities: OWN_CAPABILITIES,
      clientInfo: ownInfo(version),
    },
    headers: "",
    session: undefined,
    abort: new AbortController(),
  });
  if (answer.code !== undefined) {
    if (isOfOtherEra(answer)) eras.forget(server);
    throw new OwnRefusal("initialize", answer.code);
  }
  const { sessionId: id } = answer;
  let mark = markOf(id, NEWEST_SESSION_REVISION);
  try {
    const result = resultOf(answer, "initialize");
    const { protocolVersion: revision } = result;
    if (typeof revision !== "string" || !isOfSessionEra(revision)) throw otherRevision();
    mark = markOf(id, revision);
    const description = descriptionOf(result, revision, false);
    const answers = createOwnAnswers(client, server, mark, firstByteMs);
    await answers.tell('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    return { id, mark, description, asked: answers.asked };
  } catch (error) {
    await endSession(client, server, { mark });
    throw error;
  }
}

/** It is over for the gateway whatever the server says; most of them expire by themselves. */
export async function endSession(
  client: UpstreamClient,
  server: UpstreamServer,
  { mark }: Pick<OwnSession, "mark">,
): Promise<void> {
  if (mark.session === undefined) return;
  await client.remove(server, mark, CLOSE_MS).catch(() => {});
}

function markOf(session: string | undefined, revision: Revision): SessionMark {
  const version = `MCP-Protocol-Version: ${revision}\r\n`;
  return {
    headers: session === undefined ? version : `${version}Mcp-Session-Id: ${session}\r\n`,
    session,
  };
}

function isOfOtherEra({ status, code }: OwnAnswer): boolean {
  return status >= 400 && (code === UNSUPPORTED_VERSION || code === HEADER_MISMATCH ||
    (code === METHOD_NOT_FOUND && status === 404));
}

function otherRevision(): GatewayError {
  return new GatewayError(
    "upstream_protocol",
    "The upstream server speaks a revision that the gateway does not",
  );
}
