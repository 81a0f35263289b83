/**
 * Servers' own streams that are being opened because the client has begun to listen. It need not wait
 * for the answer to its GET, and what it sends behind it must not reach a server before the GET
 * does, whichever replicas they go to: it waits for the stream, though not for long.
 *
 * @module
 * @see docs/decisions/0044-calls-wait-for-the-clients-get.md
 */
import type { Remote } from "../../events/remote.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import type { CallClaims } from "./call_claims.ts";
import type { SessionKey } from "./directory.ts";
import { OPENED_MS } from "./watches.ts";

export interface Openings {
  /**
   * A client has begun to listen here, if the session is its own: what it sends meanwhile waits.
   * @returns to be called, at least once, when the streams are open or will not be
   */
  readonly begin: (session: SessionKey) => () => void;
  /**
   * Resolves when they are open, or have taken too long.
   * @param opener the replica that opens them, as `CallClaims` says
   * @returns `undefined` when there is nothing to wait for
   */
  readonly over: (session: SessionKey, opener: string | undefined) => Promise<void> | undefined;
}

export interface OpeningsDeps {
  readonly remote: Pick<Remote, "self" | "serve" | "tell">;
  readonly timers: Timers;
  /** `undefined` where there is one replica: it knows what it opens. */
  readonly claims: Pick<CallClaims, "opens" | "opened"> | undefined;
}

const OPENING = "whether a session's streams are open";

export function createOpenings({ remote, timers, claims }: OpeningsDeps): Openings {
  const here = new Map<SessionKey, Promise<void>>();

  remote.serve(OPENING, async function* ({ about }) {
    await here.get(about as SessionKey);
    yield { about: undefined };
  });

  return {
    begin(session) {
      const { promise, resolve } = Promise.withResolvers<void>();
      here.set(session, promise);
      // Not waited for: Redis takes what one connection says in this order, all else comes later.
      claims?.opens(session);
      return () => {
        resolve();
        // Another GET may have come meanwhile.
        if (here.get(session) !== promise) return;
        here.delete(session);
        claims?.opened(session);
      };
    },
    over(session, opener) {
      const opening = opener === undefined || opener === remote.self
        ? here.get(session)
        // One that does not answer is not waited for.
        : remote.tell(opener, OPENING, { about: session }).then(() => {}, () => {});
      return opening && Promise.race([opening, sleep(timers, OPENED_MS)]);
    },
  };
}
