/**
 * Servers of the stateless era, as the sessions of this gateway's clients need them: spoken to as if
 * they had sessions. What a session is at such a server (log level, subscriptions, what the client
 * can do) is in its record, and said with every request.
 *
 * @module
 * @see protocol.md, section 1.3, "legacy client, modern upstream"
 */
import { GatewayError, ProtocolError } from "../../../domain/errors.ts";
import type { Offer } from "../../../domain/item.ts";
import { callerOf } from "../../../domain/principal.ts";
import type { UpstreamServer } from "../../../domain/server.ts";
import type { Timers } from "../../../platform/timers.ts";
import type { UpstreamClient, UpstreamRequest } from "../../../upstream/client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../../upstream/reply.ts";
import type { EraProbe } from "../../era_probe.ts";
import { nameOf } from "../../json_scan.ts";
import { INVALID_PARAMS, type JsonObject, METHOD_NOT_FOUND } from "../../message.ts";
import { LOG_LEVELS } from "../../revisions/stateless_era.ts";
import { errorResponse, resultResponse } from "../../rpc_error.ts";
import type { Session, UpstreamState } from "../session.ts";
import { answerTo, type Opened } from "../upstream_handshake.ts";
import type { SessionRequest } from "../upstream_sessions.ts";
import type { Subscribe } from "../watching.ts";
import { createIdentities, type Identity } from "./identity.ts";
import { createOpenings, resultOf } from "./opening.ts";
import { createAnswers } from "./questions.ts";
import { accepted, said } from "../../replies.ts";
import { mirrorLines, roundRequest, type Sent, sentOf, sliceOf, textAt } from "./request.ts";
import { sendInRounds } from "./rounds.ts";
import { createSubscriptions, type Subscriptions } from "./subscriptions.ts";
import { createToolHeaders, type KnownTool } from "./tool_headers.ts";

export interface StatelessServers {
  /**
   * `initialize` at a server of either era.
   * @param initialize sends it to one that has sessions
   * @throws as `openUpstream`
   */
  readonly open: (
    server: UpstreamServer,
    body: Uint8Array,
    initialize: () => Promise<Opened>,
  ) => Promise<Opened>;
  /**
   * One message of a session, or its stream: as `UpstreamClient.send` would at a server that has
   * sessions.
   * @throws as `UpstreamClient.send`
   */
  readonly send: (
    session: Session,
    server: UpstreamServer,
    state: UpstreamState,
    request: SessionRequest,
  ) => Promise<UpstreamReply>;
  /** The client wants to be told of a resource, or no longer; see `Subscriptions.change`. */
  readonly subscribe: Subscriptions["change"];
  /** The server has been replaced by one that may have sessions: it has to be opened anew. */
  readonly isReplaced: (server: UpstreamServer) => boolean;
}

export interface StatelessServersDeps {
  readonly client: UpstreamClient;
  readonly eras: EraProbe;
  readonly timers: Timers;
  readonly now: () => number;
  /** What is known of a server; `undefined` before it was discovered. */
  readonly offerOf: (server: UpstreamServer) => Offer | undefined;
  /** By the name that the server gave it. */
  readonly toolOf: (server: UpstreamServer, name: string) => KnownTool | undefined;
  /** Late bound. */
  readonly subscribeElsewhere: Subscribe;
}

/** Where servers are told no level, those with sessions tell everything. */
const ALL_LEVELS = "debug";

export function createStatelessServers(
  deps: StatelessServersDeps,
  options: { readonly firstByteMs: number },
): StatelessServers {
  const { client } = deps;
  const identityOf = createIdentities();
  const answers = createAnswers();
  const toolHeaders = createToolHeaders(deps.toolOf);
  let lastId = 0;
  const newId = () => `bridge-${++lastId}`;
  const openings = createOpenings({ ...deps, ask });
  const subscriptions = createSubscriptions({ ...deps, newId, identityOf }, options);

  /** A request of the gateway's own; its result. */
  async function ask(
    server: UpstreamServer,
    method: string,
    params: JsonObject,
    identity: Identity,
    from: Pick<UpstreamRequest, "caller" | "clientHeaders"> = {},
  ): Promise<JsonObject> {
    const id = newId();
    const sent = sentOf(encoder.encode(JSON.stringify({ jsonrpc: "2.0", id, method, params })));
    const { firstByteMs: ms } = options;
    const reply = await client.send(server, {
      body: roundRequest(sent, id, identity, undefined, undefined).body,
      headers: mirrorLines(sent, []),
      ...from,
      idempotent: true,
      firstMs: ms,
      silenceMs: ms,
      totalMs: ms,
      abort: new AbortController(),
    });
    return resultOf((await answerTo(reply, id).finally(reply.close)).message, method);
  }

  async function relay(
    session: Session,
    server: UpstreamServer,
    { logLevel }: UpstreamState,
    request: SessionRequest,
    sent: Sent,
  ): Promise<UpstreamReply> {
    const identity = identityOf(session.base);
    try {
      return await sendInRounds({ ...deps, answers, newId }, {
        session,
        server,
        sent,
        identity,
        logLevel: logLevel ?? ALL_LEVELS,
        request,
        paramHeaders: () => toolHeaders.of(server, sent),
        refreshHeaders: () =>
          toolHeaders.refresh(server, sent, (cursor) => {
            const params = cursor === undefined ? {} : { cursor };
            const from = { caller: callerOf(session.base), clientHeaders: request.clientHeaders };
            return ask(server, "tools/list", params, identity, from);
          }),
        otherEra: () => openings.forget(server),
      });
    } catch (error) {
      // A server of this era would have said more.
      if (error instanceof UpstreamStatusError && OTHER_ERA.includes(error.status)) {
        openings.forget(server);
      }
      throw error;
    }
  }

  const subscribe: Subscriptions["change"] = async (...about) =>
    await deps.subscribeElsewhere(...about) ?? await subscriptions.change(...about);

  function oneWay(session: Session, server: UpstreamServer, sent: Sent): UpstreamReply {
    if (sent.method === "") answers.take(session.key, sent);
    if (sent.method !== CANCELLED) return accepted();
    // Which one it is has been noted by now; it has no id that the server knows.
    for (const call of session.calls.list()) {
      if (!call.isCancelled || call.server.slug !== server.slug) continue;
      call.abort.abort(new GatewayError("outcome_unknown", "The client cancelled the request"));
    }
    return accepted();
  }

  return {
    open: openings.open,
    isReplaced: openings.isForgotten,
    subscribe: subscriptions.change,
    async send(session, server, state, request) {
      if (request.body === undefined) {
        return await subscriptions.open(session, server, state, request);
      }
      const sent = sentOf(request.body, request.message);
      const isRequest = sent.method !== "" && sent.found.id !== undefined;
      if (!isRequest || request.isOneWay) return oneWay(session, server, sent);
      return isLocal(sent.method)
        ? await answered(subscribe, session, server, sent)
        : await relay(session, server, state, request, sent);
    },
  };
}

/** Whether the server has no method for it. */
function isLocal(method: string): boolean {
  return LOCAL.has(method) || method.startsWith("tasks/");
}

/** Of these, and of none else. */
async function answered(
  subscribe: Subscriptions["change"],
  session: Session,
  server: UpstreamServer,
  { bytes, found, method }: Sent,
): Promise<UpstreamReply> {
  const id = sliceOf(bytes, found.id!);
  const refused = (code: number, text: string) =>
    said(errorResponse(id, new ProtocolError(code, 200, text), ""));
  if (method === "logging/setLevel") {
    const level = textAt(bytes, found.params, [LEVEL]) ?? "";
    const levels = LOG_LEVELS.join(", ");
    if (!LOG_LEVELS.includes(level)) {
      return refused(INVALID_PARAMS, `params.level must be one of ${levels}`);
    }
  } else if (SUBSCRIPTIONS.includes(method)) {
    const uri = textAt(bytes, found.params, [URI]);
    if (uri === undefined) return refused(INVALID_PARAMS, "params.uri must be a URI");
    const isWanted = method === "resources/subscribe";
    if (!await subscribe(session, server, uri, isWanted)) {
      return refused(INVALID_PARAMS, "The upstream server does not tell of this resource");
    }
  } else if (method !== "ping") {
    return refused(METHOD_NOT_FOUND, `There is no method "${method}" in a session with it`);
  }
  return said(resultResponse(id, {}));
}

const encoder = new TextEncoder();
const LEVEL = nameOf("level");
const URI = nameOf("uri");
const CANCELLED = "notifications/cancelled";
const SUBSCRIPTIONS = ["resources/subscribe", "resources/unsubscribe"];
/** Methods that mean something else there, or nothing. */
const LOCAL: ReadonlySet<string> = new Set([
  ...SUBSCRIPTIONS,
  "ping",
  "logging/setLevel",
  "initialize",
  "server/discover",
  "subscriptions/listen",
]);
/** Statuses without a message, as servers have them that know nothing of this era. */
const OTHER_ERA = [400, 404, 405];
