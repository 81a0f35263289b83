/**
 * `/api/sessions`: what is live, without anything that could be used to get into a session.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { isUnrestricted } from "../../domain/access.ts";
import type { Principal } from "../../domain/principal.ts";
import { list } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, type Operation, operation } from "./operation.ts";
import { instant, instantOf, pageOfSchema, pageQuery } from "./schemas.ts";

/** One live session. */
export interface SessionInfo {
  /** Key of its record. */
  readonly key: string;
  readonly kind: string;
  readonly subject: string;
  /** Path of the endpoint. */
  readonly endpoint: string;
  readonly revision: string;
  /** Wall clock, as far as it is known. */
  readonly createdMs: number | undefined;
  readonly usedMs: number | undefined;
}

export interface SessionOperationsDeps {
  readonly list: () => readonly SessionInfo[] | Promise<readonly SessionInfo[]>;
  /** Of this installation: what is shown says nothing to whoever can read the records. */
  readonly hashKey: Uint8Array;
}

const record = z.object({
  id: z.string().openapi({ description: "tells sessions apart, and is good for nothing else" }),
  principal: z.object({ kind: z.string(), subject: z.string() }),
  endpoint: z.string(),
  revision: z.string(),
  createdAt: instant.nullable(),
  lastUsedAt: instant.nullable(),
}).openapi("Session");

export function createSessionOperations(deps: SessionOperationsDeps): readonly Operation[] {
  const idOf = ({ key }: SessionInfo) =>
    createHmac("sha256", deps.hashKey).update(`session ${key}`).digest("base64url").slice(0, 22);
  return [
    operation({
      method: "GET",
      path: "/api/sessions",
      summary: "Live sessions, the oldest first: one's own, and to administrators all",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(record, "SessionPage"),
      handle: async ({ query: { cursor, limit }, principal }) => {
        const visible = (await deps.list()).filter((session) => isVisible(principal, session))
          .map((session) => ({ id: idOf(session), session }));
        const placeOf = ({ id, session }: typeof visible[number]) => [session.createdMs ?? 0, id];
        return list(pageOf(visible, { list: "sessions", cursor, limit, placeOf }), recordOf);
      },
    }),
  ];
}

/** Everybody sees their own; the same name with another kind of credential is somebody else. */
function isVisible(principal: Principal, { subject, kind }: SessionInfo): boolean {
  return isUnrestricted(principal) || (subject === principal.subject && kind === principal.kind);
}

function recordOf(
  { id, session }: { readonly id: string; readonly session: SessionInfo },
): z.input<typeof record> {
  const { kind, subject, endpoint, revision, createdMs, usedMs } = session;
  return {
    id,
    principal: { kind, subject },
    endpoint,
    revision,
    createdAt: createdMs === undefined ? null : instantOf(createdMs),
    lastUsedAt: usedMs === undefined ? null : instantOf(usedMs),
  };
}
