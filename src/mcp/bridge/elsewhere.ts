/**
 * Requests that go on with a call which waits on another replica: that one carries them out, with the
 * rights that were found here.
 *
 * @module
 * @see design.md, "One call model, two codecs"
 */
import { GatewayError } from "../../domain/errors.ts";
import { principalFrom, type ToldPrincipal, toldPrincipal } from "../../domain/principal.ts";
import { type Answer, Lost, type Note, NotThere, type Remote } from "../../events/remote.ts";
import type { CallContext, Dispatch, Reply } from "../dispatch.ts";
import type { Endpoint } from "../endpoint.ts";
import { ClientLeft } from "../failure.ts";
import { bytesOf, decodeClientMessage } from "../message.ts";
import type { MirrorHeaders } from "../revisions/stateless_era.ts";

/** @throws {GatewayError} `outcome_unknown` when that replica is gone, or does not answer */
export type GoOnElsewhere = (replica: string, call: CallContext) => Promise<Reply>;

export interface ElsewhereDeps {
  readonly remote: Remote;
  /** Late bound: it leads here. The call is recorded where it was asked for. */
  readonly dispatch: () => Dispatch;
  readonly endpointOf: (key: string) => Endpoint | undefined;
}

/** What the other replica is told; the message is the body. */
interface Handed {
  readonly endpoint: string;
  readonly principal: ToldPrincipal;
  readonly headers: MirrorHeaders;
  readonly clientHeaders: readonly (readonly [string, string])[];
  readonly correlationId: string;
  readonly address: string;
}

/** What it says before the first message. */
type Said =
  | { readonly kind: "accepted" }
  | { readonly kind: "message"; readonly status: number }
  | { readonly kind: "stream" };

const KIND = "go on with a call";

export function createElsewhere({ remote, dispatch, endpointOf }: ElsewhereDeps): GoOnElsewhere {
  remote.serve(KIND, async function* ({ about, body }, wanted) {
    const { endpoint: key, principal, clientHeaders, address, ...rest } = about as Handed;
    const endpoint = endpointOf(key);
    if (endpoint === undefined) throw new GatewayError("not_found", "There is no such endpoint");
    const abort = new AbortController();
    wanted.addEventListener("abort", () => abort.abort(new ClientLeft()));
    const reply = await dispatch()({
      ...rest,
      endpoint,
      address: () => address,
      principal: principalFrom(principal),
      clientHeaders: new Map(clientHeaders),
      message: decodeClientMessage(body!),
      abort,
    });
    yield* parts(reply);
  });

  return async (replica, call) => {
    const { endpoint, principal, headers, clientHeaders, message, abort, correlationId } = call;
    const about: Handed = {
      endpoint: endpoint.key,
      principal: toldPrincipal(principal),
      headers,
      clientHeaders: [...clientHeaders],
      correlationId,
      address: call.address(),
    };
    const answer = await remote.ask(replica, KIND, { about, body: message.bytes }).catch(gone);
    abort.signal.addEventListener("abort", answer.close);
    return await replyOf(answer);
  };
}

/** With the replica, the call that waited there is gone. */
function gone(error: unknown): never {
  throw error instanceof NotThere ? new Lost() : error;
}

async function replyOf(answer: Answer): Promise<Reply> {
  const first = await answer.next();
  if (first === undefined) throw new ClientLeft();
  const said = first.about as Said;
  if (said.kind === "stream") {
    return {
      kind: "stream",
      next: async () => {
        const note = await answer.next();
        return note && [note.body!];
      },
    };
  }
  answer.close();
  return said.kind === "message" ? { ...said, body: first.body! } : said;
}

/** A reply as what is said of it to another replica. */
async function* parts(reply: Reply): AsyncGenerator<Note> {
  if (reply.kind === "accepted") return yield { about: { kind: "accepted" } satisfies Said };
  if (reply.kind === "message") {
    const { kind, status, body } = reply;
    return yield { about: { kind, status } satisfies Said, body: bytesOf(body) };
  }
  yield { about: { kind: "stream" } satisfies Said };
  for (let some = await reply.next(); some !== undefined; some = await reply.next()) {
    for (const body of some) yield { about: undefined, body };
  }
}
