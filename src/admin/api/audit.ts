/**
 * `/api/audit`: who did what, for administrators of the whole gateway.
 *
 * @module
 * @see security.md, AUD-07
 */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import type { AuditQuery, FoundPage, FoundRecord } from "../../events/audit_search.ts";
import type { AuditPlace } from "../../storage/tables/audit.ts";
import { list } from "./answers.ts";
import { badCursor, readCursor, writeCursor } from "./cursor.ts";
import { NO_BODY, type Operation, operation } from "./operation.ts";
import { instant, instantOf, line, pageOfSchema, pageQuery } from "./schemas.ts";

export interface AuditOperationsDeps {
  readonly search: (query: AuditQuery) => Promise<FoundPage>;
}

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const auditQuery = z.strictObject({
  ...pageQuery,
  subject: line(LIMITS.subjectChars).optional(),
  action: line(64).optional(),
  outcome: z.enum(["ok", "tool_error", "error", "cancelled", "denied"]).optional(),
  endpoint: line(LIMITS.auditTextChars).optional(),
  from: time.optional().openapi({ type: "string", format: "date-time", description: "inclusive" }),
  to: time.optional().openapi({ type: "string", format: "date-time", description: "exclusive" }),
});

const record = z.object({
  time: instant,
  replica: z.string(),
  seq: z.number().int().openapi({ description: "counts the records of the replica" }),
  action: z.string(),
  correlationId: z.string().optional(),
  outcome: z.string().optional().openapi({ description: "absent where something only begins" }),
  code: z.union([z.string(), z.number()]).optional(),
  subject: z.string().optional(),
  kind: z.string().optional().openapi({ description: "of credential" }),
  token: z.string().optional().openapi({ description: "keyed hash of the token's id" }),
  address: z.string().optional(),
  method: z.string().optional(),
  name: z.string().optional(),
  endpoint: z.string().optional(),
  upstream: z.string().optional(),
  args: z.string().optional().openapi({ description: "keyed hash of the arguments" }),
  access: z.enum(["admin", "hidden"]).optional().openapi({
    description: "admin: somebody else's private record; hidden: what the caller may not see",
  }),
  ms: z.number().int().optional(),
  bytes: z.number().int().optional().openapi({ description: "of the answer" }),
  count: z.number().int().optional().openapi({ description: "how many equal ones it stands for" }),
}).openapi("AuditRecord");

const LIST = "audit";

export function createAuditOperations({ search }: AuditOperationsDeps): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/api/audit",
      summary: "Who did what, the newest first. A page can be short, or empty, and not the last",
      query: auditQuery,
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(record, "AuditPage"),
      handle: async ({ query }) => {
        const { cursor, limit, subject, from: fromMs, to: toMs, ...says } = query;
        const after = cursor === undefined ? undefined : placeOf(cursor);
        const found = await search({ limit, subject, fromMs, toMs, after, says });
        const nextCursor = found.next && cursorOf(found.next);
        return list({ records: found.records, nextCursor }, recordOf);
      },
    }),
  ];
}

function recordOf({ timeMs, replica, seq, record: said }: FoundRecord): z.input<typeof record> {
  const { id: correlationId, ...others } = said;
  return { ...others, time: instantOf(timeMs), replica, seq, correlationId };
}

function cursorOf({ timeMs, replica, seq }: AuditPlace): string {
  return writeCursor(LIST, [timeMs, replica, seq]);
}

/** @throws {FaultyRequest} */
function placeOf(cursor: string): AuditPlace {
  const [timeMs, replica, seq] = readCursor(LIST, cursor);
  const isPlace = Number.isSafeInteger(timeMs) && typeof replica === "string" &&
    Number.isSafeInteger(seq);
  if (!isPlace) throw badCursor();
  return { timeMs: Number(timeMs), replica, seq: Number(seq) };
}
