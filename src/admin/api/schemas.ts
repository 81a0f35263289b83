/**
 * Schemas that the nouns of the API share.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { ITEM_KINDS } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import { VISIBILITIES } from "../../domain/server.ts";

const DEFAULT_LIMIT = 50;

/** Text on one line, for people. */
export function line(charsMax: number) {
  return z.string().min(1).max(charsMax)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), {
      error: "must be one line without control characters",
    });
}

/** Text of several lines. Other control characters are kept by no database alike. */
export function lines(charsMax: number) {
  return z.string().max(charsMax)
    .refine((text) => text.isWellFormed() && !/[^\P{Cc}\n\r\t]/u.test(text), {
      error: "must not hold control characters other than line breaks and tabs",
    });
}

/**
 * Whom a credential may be of: an e-mail address, or what an external issuer calls its subject. Kept
 * as it is written; whether two addresses are the same is decided without regard to capitals.
 */
export const email = line(LIMITS.subjectChars).refine((text) => /^[^\s,]+$/.test(text), {
  error: "must be an e-mail address, or a subject of an issuer, without spaces and commas",
});

export const visibility = z.enum(VISIBILITIES);

export const audience = {
  visibility: visibility.optional().openapi({
    description: "when none is given at first: public for administrators, private for all others",
  }),
  teamId: line(255).nullish(),
  owner: line(LIMITS.subjectChars).nullish(),
};

export const pageQuery = {
  cursor: z.string().optional().openapi({ description: "nextCursor of the page before" }),
  limit: z.string().regex(/^\d{1,4}$/, { error: "must be a whole number" })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= LIMITS.apiPageItems, {
      error: `must be from 1 to ${LIMITS.apiPageItems}`,
    })
    .default(DEFAULT_LIMIT)
    .openapi({ type: "integer", minimum: 1, maximum: LIMITS.apiPageItems, default: DEFAULT_LIMIT }),
};

export function pageOfSchema(record: z.ZodType, name: string) {
  return z.object({
    items: z.array(record),
    nextCursor: z.string().optional().openapi({ description: "absent on the last page" }),
  }).openapi(name);
}

/** As answers show it. */
export const instant = z.string().openapi({ format: "date-time" });

export function instantOf(ms: number): string {
  return new Date(ms).toISOString();
}

export const itemKind = z.enum([...ITEM_KINDS]);

export const dropped = z.array(
  z.object({ kind: itemKind, name: z.string(), reason: z.string() }),
).openapi({ description: "what the server offers and the gateway left out, with the reason" });

/** RFC 9457. */
export const problem = z.object({
  title: z.string(),
  status: z.number().int(),
  code: z.string().openapi({ description: "stable: programs can rely on it" }),
  correlationId: z.string().openapi({ description: "the log line of the failure has it too" }),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional()
    .openapi({ description: "what is wrong at which place of the request" }),
}).openapi("Problem");
