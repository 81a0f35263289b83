/**
 * `/api/export` and `/api/import`: the whole configuration as one bundle.
 *
 * @module
 * @see contract.md, sections 6 and 8, "Export and import"
 */
import { z } from "@hono/zod-openapi";
import { STRATEGIES } from "../transfer/draft.ts";
import { PASSPHRASE_CHARS_MAX, PASSPHRASE_CHARS_MIN } from "../transfer/sealing.ts";
import type { Transfer } from "../transfer/transfer.ts";
import { bundle } from "./bundle.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";

export const passphrase = z.string().min(PASSPHRASE_CHARS_MIN, {
  error: `must have at least ${PASSPHRASE_CHARS_MIN} characters`,
}).max(PASSPHRASE_CHARS_MAX);

const exportRequest = z.strictObject({
  passphrase: passphrase.openapi({ description: "secrets are sealed with it" }),
}).openapi("ExportRequest");

const importRequest = z.strictObject({
  document: z.record(z.string(), z.unknown()).openapi({
    description: "a bundle, or an export document of the reference system",
  }),
  strategy: z.enum(STRATEGIES).default("skip").openapi({
    description: "for records that are there already; fail changes nothing at all then",
  }),
  dryRun: z.boolean().default(false).openapi({
    description: "changes nothing, and says what would be changed, and what refused",
  }),
  passphrase: z.string().max(PASSPHRASE_CHARS_MAX).optional().openapi({
    description: "opens the secrets of the bundle; without, they are to be filled in",
  }),
}).openapi("ImportRequest");

const report = z.object({
  dryRun: z.boolean(),
  records: z.array(z.object({
    kind: z.string(),
    name: z.string(),
    action: z.enum(["created", "updated", "unchanged", "skipped", "renamed", "failed"]),
    reason: z.string().optional(),
    newName: z.string().optional().openapi({ description: "name or slug of one that was renamed" }),
  })),
  toFillIn: z.array(z.object({ kind: z.string(), name: z.string(), what: z.string() })).openapi({
    description: "secrets that the document does not hold",
  }),
  notTaken: z.array(z.object({ kind: z.string(), name: z.string(), reason: z.string() })).openapi({
    description: "what has no place here",
  }),
}).openapi("ImportReport");

export function createTransferOperations(
  { transfer }: { readonly transfer: Transfer },
): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/api/export",
      summary: "The whole configuration but for secrets and what the config file declares",
      query: NO_QUERY,
      body: NO_BODY,
      status: 200,
      answer: bundle,
      handle: async () => ({ status: 200, text: (await transfer.export(undefined)).text }),
    }),
    operation({
      method: "POST",
      path: "/api/export",
      summary: "The same with secrets, sealed with a passphrase",
      query: NO_QUERY,
      body: exportRequest,
      status: 200,
      answer: bundle,
      handle: async ({ body: { passphrase } }) => ({
        status: 200,
        text: (await transfer.export(passphrase)).text,
      }),
    }),
    operation({
      method: "POST",
      path: "/api/import",
      summary: "Takes over a bundle, all of it or nothing",
      query: NO_QUERY,
      body: importRequest,
      isLarge: true,
      status: 200,
      answer: report,
      handle: async ({ body: { passphrase, ...body }, principal }) => ({
        status: 200,
        body: await transfer.import({ ...body, passphrase }, principal),
      }),
    }),
  ];
}
