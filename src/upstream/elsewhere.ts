/**
 * Sessions that only one replica can serve, because it has the child process or the event stream:
 * their ids name it, and every other replica sends what belongs to them there.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do"
 */
import { GatewayError } from "../domain/errors.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { type Answer, type Note, NotThere, type Remote } from "../events/remote.ts";
import type { Timers } from "../platform/timers.ts";
import { accepted } from "./channel/asking.ts";
import type { UpstreamClient, UpstreamRequest } from "./client.ts";
import { startDeadline } from "./deadline.ts";
import { ownerOfSession } from "./owned_session.ts";
import { type UpstreamReply, UpstreamStatusError } from "./reply.ts";

export interface ElsewhereDeps {
  readonly client: UpstreamClient;
  readonly remote: Remote;
  readonly timers: Timers;
  readonly now: () => number;
  /** The server with this id, whoever may see it. */
  readonly serverOf: (id: string) => UpstreamServer | undefined;
}

/** What the other replica is told of a request; its deadlines run where it was asked. */
interface Forwarded {
  readonly server: string;
  readonly headers: string;
  readonly session: string;
  readonly caller: string | undefined;
  readonly clientHeaders: readonly (readonly [string, string])[];
  readonly hasBody: boolean;
  readonly isOneWay: boolean | undefined;
  readonly isQuiet: boolean | undefined;
}

interface Removed {
  readonly server: string;
  readonly headers: string;
  readonly session: string;
  readonly totalMs: number;
}

/** Said before the first message. */
interface Opened {
  readonly status: number;
  readonly isStream: boolean | undefined;
}

/** The last part of what failed with an HTTP status. */
interface Refused {
  readonly refused: number;
}

export function createElsewhereClient(
  { client, remote, timers, now, serverOf }: ElsewhereDeps,
): UpstreamClient {
  /** Another replica that has the session. */
  function ownerOf(server: UpstreamServer, session: string | undefined): string | undefined {
    const owner = ownerOfSession(server, session);
    return owner === remote.self ? undefined : owner;
  }

  async function forward(
    owner: string,
    server: UpstreamServer,
    request: UpstreamRequest,
  ): Promise<UpstreamReply> {
    const { body, headers, session, caller, isOneWay, isQuiet, abort } = request;
    const clientHeaders = [...request.clientHeaders ?? []];
    const about: Forwarded = {
      server: server.id,
      headers,
      session: session!,
      caller,
      clientHeaders,
      hasBody: body !== undefined,
      isOneWay,
      isQuiet,
    };
    abort.signal.throwIfAborted();
    const answer = await remote.ask(owner, SEND, { about, body }).catch(lostSession);
    return await replyOf(answer, request);
  }

  async function replyOf(answer: Answer, request: UpstreamRequest): Promise<UpstreamReply> {
    const { signal } = request.abort;
    const deadline = startDeadline({ timers, now }, {
      ...request,
      expired(spanMs) {
        const text = `The upstream server did not answer within ${spanMs / 1000} s`;
        request.abort.abort(new GatewayError("upstream_timeout", text));
      },
    });
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {});
    const stop = () => {
      aborted.reject(signal.reason);
      close();
    };
    const close = () => {
      signal.removeEventListener("abort", stop);
      deadline.end();
      answer.close();
    };
    const next = async () => {
      const note = await Promise.race([answer.next(), aborted.promise]);
      deadline.touch();
      const { refused } = (note?.about ?? {}) as Partial<Refused>;
      if (refused !== undefined) throw new UpstreamStatusError(refused);
      return note;
    };
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      const { status, isStream } = (await next())!.about as Opened;
      if (isStream === undefined) close();
      return { ...accepted(), status, isStream, next: async () => (await next())?.body, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  remote.serve(SEND, async function* ({ about, body }, wanted) {
    const { server: id, clientHeaders, hasBody, ...said } = about as Forwarded;
    const server = serverOf(id);
    if (server === undefined) return yield refusal(404);
    const abort = new AbortController();
    wanted.addEventListener("abort", () => abort.abort(wanted.reason));
    yield* parts(() =>
      client.send(server, {
        ...said,
        body: hasBody ? body : undefined,
        clientHeaders: new Map(clientHeaders),
        idempotent: false,
        ...NO_DEADLINES,
        abort,
      })
    );
  });

  remote.serve(REMOVE, async function* ({ about }) {
    const { server: id, totalMs, ...mark } = about as Removed;
    const server = serverOf(id);
    yield { about: server === undefined ? 404 : await client.remove(server, mark, totalMs) };
  });

  return {
    send(server, request) {
      const owner = ownerOf(server, request.session);
      return owner === undefined ? client.send(server, request) : forward(owner, server, request);
    },
    async remove(server, mark, totalMs) {
      const owner = ownerOf(server, mark.session);
      if (owner === undefined) return await client.remove(server, mark, totalMs);
      const { headers, session } = mark;
      const about = { server: server.id, headers, session: session!, totalMs } satisfies Removed;
      const told = await remote.tell(owner, REMOVE, { about }).catch(lostSession);
      return told?.about as number;
    },
  };
}

const SEND = "send to a session";
const REMOVE = "end a session";
const NO_DEADLINES = { firstMs: Infinity, silenceMs: Infinity, totalMs: Infinity };

/** With the replica the process or stream is gone, and with that the session. */
function lostSession(error: unknown): never {
  throw error instanceof NotThere ? new UpstreamStatusError(404) : error;
}

function refusal(status: number): Note {
  return { about: { refused: status } satisfies Refused };
}

/** A reply as what is said of it to another replica. */
async function* parts(send: () => Promise<UpstreamReply>): AsyncGenerator<Note> {
  let reply: UpstreamReply | undefined;
  try {
    reply = await send();
    const { status, isStream } = reply;
    yield { about: { status, isStream } satisfies Opened };
    if (isStream === undefined) return;
    for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
      yield { about: undefined, body: one };
    }
  } catch (error) {
    if (!(error instanceof UpstreamStatusError)) throw error;
    yield refusal(error.status);
  } finally {
    reply?.close();
  }
}
