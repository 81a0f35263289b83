/**
 * What sessions of views hear: of servers that the view shows to them, and from the gateway itself that
 * lists have changed.
 *
 * @module
 */
import type { Views } from "../../catalog/views.ts";
import { maySee } from "../../domain/access.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Endpoints } from "../endpoint.ts";
import type { ListChanges, ListName } from "../view/list_changes.ts";
import type { Listening } from "./listening.ts";
import type { Session } from "./session.ts";

export interface Following {
  readonly isOfView: (session: Session) => boolean;
  /** Whether what this server says by itself is for the session. */
  readonly mayHear: (session: Session, server: UpstreamServer) => boolean;
  /** Of a view, and where not all is shown, it is the gateway that says when lists have changed. */
  readonly follow: (session: Session) => void;
}

export interface FollowingDeps {
  readonly views: Views;
  readonly changes: ListChanges;
  /** See `Endpoints`. */
  readonly shownAt: Endpoints["shownAt"];
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly say: Listening["say"];
}

export function createFollowing(
  { views, changes, shownAt, serverOf, say }: FollowingDeps,
): Following {
  function isOfView({ base }: Session): boolean {
    return serverOf(base.server) === undefined;
  }

  return {
    isOfView,
    mayHear: (session, server) => !isOfView(session) || isShown(views, session, server),
    follow(session) {
      const { server } = session.base;
      const isShown = isOfView(session) || shownAt(server) !== undefined;
      if (!isShown || session.isFollowing || session.viewer === undefined) return;
      session.isFollowing = true;
      const stop = changes.follow(server, () => session.viewer!, (lists) => {
        const events = lists.map((list) => ({ message: listChanged(list), isResponse: false }));
        say(session, events).catch(() => {});
      });
      session.end.signal.addEventListener("abort", stop);
    },
  };
}

/** Whether the view shows something of this server to whoever uses the session. */
function isShown({ latest }: Views, { base, viewer }: Session, { slug }: UpstreamServer): boolean {
  const shelf = latest(base.server)?.shelves.find(({ server }) => server.slug === slug);
  return shelf !== undefined && viewer !== undefined && maySee(viewer, shelf.server);
}

function listChanged(list: ListName): Uint8Array {
  return new TextEncoder().encode(
    `{"jsonrpc":"2.0","method":"notifications/${list}/list_changed"}`,
  );
}
