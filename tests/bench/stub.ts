/**
 * The stub upstream, and as `direct` the first contender: a server that does as little as an honest one can.
 * It reads the request, echoes its id and copies a body that is ready.
 *
 * It speaks one era on each of two paths, as two servers would. Tools in both: `text {bytes}` answers with
 * text of that size; `notify {count, ids}` streams that many progress notifications, each its own chunk,
 * and then its result. On other paths it is as many servers of the stateless era as are wanted, and ones
 * with long lists, and on one an HTTP API that is no MCP server.
 *
 * @module
 */

import {
  ANNOUNCE_PATH,
  BIG_PATH,
  COUNTS_PATH,
  LONG_PATH,
  MANY_PATHS,
  SESSION_PATH,
  STATELESS_PATH,
} from "./payload.ts";
import { answerRecord, RECORD_PATH } from "./record.ts";
import { createScaleStub, SCALE_PATHS } from "./stub_scale.ts";
import { createSessionStub } from "./stub_session.ts";
import { answerStateless, BIG, LONG, USUAL } from "./stub_stateless.ts";

if (import.meta.main) {
  const sessions = createSessionStub();
  const scale = createScaleStub();
  const onListen = ({ port }: { port: number }) => {
    console.log(`Listening on http://127.0.0.1:${port}`);
  };
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => {
    const path = request.url.slice(request.url.indexOf("/", "http://".length));
    if (path === STATELESS_PATH) return answerStateless(request, USUAL);
    if (path === SESSION_PATH) return sessions.answer(request);
    if (path.startsWith(MANY_PATHS)) return answerStateless(request, USUAL);
    if (path === LONG_PATH) return answerStateless(request, LONG);
    if (path === BIG_PATH) return answerStateless(request, BIG);
    if (path === RECORD_PATH) return answerRecord(request);
    if (path.startsWith(SCALE_PATHS)) return scale(request, path);
    if (path === COUNTS_PATH) return Response.json(sessions.counts());
    if (path !== ANNOUNCE_PATH) return new Response(null, { status: 404 });
    sessions.announce();
    return new Response(null, { status: 202 });
  });
}
