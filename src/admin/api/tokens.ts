/**
 * `/api/tokens`: API tokens, and `/api/revocations` of JWTs.
 *
 * @module
 * @see contract.md, section 8, "API tokens"
 */
import { z } from "@hono/zod-openapi";
import type { RevocationService } from "../../auth/revocation_service.ts";
import type { TokenService } from "../../auth/token_service.ts";
import type { ApiToken, Revocation } from "../../domain/account.ts";
import { parseDuration } from "../../domain/duration.ts";
import { LIMITS } from "../../domain/limits.ts";
import { created, GONE, list } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { instant, instantOf, line, lines, pageOfSchema, pageQuery } from "./schemas.ts";

const DAY_MS = 86_400_000;
const LIFE_MS = 30 * DAY_MS;
export const LIFE_DAYS_MAX = 365;
const NAMES_MAX = 100;

const life = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    const ms = typeof value === "number" ? value * 1_000 : parseDuration(value);
    if (ms > 0 && ms <= LIFE_DAYS_MAX * DAY_MS) return Math.round(ms);
  } catch {
    // Said below.
  }
  const message = `must be seconds, or a duration such as "90d", up to ${LIFE_DAYS_MAX} days`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}).openapi({
  description: `seconds, or a duration such as "12h"; 30 days unless given, at most 365`,
  type: ["number", "string"],
});

export const newToken = z.strictObject({
  name: line(256),
  expiresIn: life.optional(),
  teams: z.union([z.literal("*"), z.array(line(255)).max(NAMES_MAX)]).nullish().openapi({
    description: "slugs or ids; * stands for all of yours; without, public items only",
  }),
  scopes: z.strictObject({
    permissions: z.array(line(64)).max(NAMES_MAX).nullish(),
    server_id: line(255).nullish(),
  }).nullish(),
}).openapi("NewToken");

const tokenRecord = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  teams: z.union([z.literal("*"), z.array(z.string())]).optional(),
  scopes: z.object({
    permissions: z.array(z.string()).optional(),
    server_id: z.string().optional(),
  }),
  createdAt: instant,
  expiresAt: instant,
}).openapi("Token");

const createdToken = z.object({
  id: z.string(),
  name: z.string(),
  token: z.string().openapi({ description: "given here and never again" }),
  expiresAt: instant,
}).openapi("CreatedToken");

const TOKENS = "/api/tokens";

export function createTokenOperations(tokens: TokenService): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: TOKENS,
      summary: "The caller's API tokens, without the tokens themselves; for administrators all",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(tokenRecord, "TokenPage"),
      handle: ({ query: { cursor, limit }, principal }) => {
        const placeOf = ({ createdMs, id }: ApiToken) => [createdMs, id];
        const options = { list: "tokens", cursor, limit, placeOf };
        return list(pageOf(tokens.list(principal), options), tokenOf);
      },
    }),
    operation({
      method: "POST",
      path: TOKENS,
      summary: "Makes an API token for the caller",
      query: NO_QUERY,
      body: newToken,
      status: 201,
      answer: createdToken,
      handle: async ({ body, principal }) => {
        const { token, record } = await tokens.create({
          name: body.name,
          expiresInMs: body.expiresIn ?? LIFE_MS,
          teams: body.teams === "*" ? "stored" : body.teams ?? undefined,
          permissions: body.scopes?.permissions ?? undefined,
          onlyServer: body.scopes?.server_id ?? undefined,
        }, principal);
        const { id, name, expiresMs } = record;
        const shown = { id, name, token, expiresAt: instantOf(expiresMs) };
        return created(shown, { id, revision: 1 }, TOKENS);
      },
    }),
    operation({
      method: "GET",
      path: `${TOKENS}/{id}`,
      summary: "One API token, without the token itself",
      query: NO_QUERY,
      body: NO_BODY,
      status: 200,
      answer: tokenRecord,
      handle: ({ id, principal }) => ({ status: 200, body: tokenOf(tokens.find(id, principal)) }),
    }),
    operation({
      method: "DELETE",
      path: `${TOKENS}/{id}`,
      summary: "Revokes an API token: it is good for nothing within 5 seconds",
      query: NO_QUERY,
      body: NO_BODY,
      status: 204,
      answer: undefined,
      handle: async ({ id, principal }) => {
        await tokens.remove(id, principal);
        return GONE;
      },
    }),
  ];
}

function tokenOf(token: ApiToken): z.input<typeof tokenRecord> {
  const { id, name, owner, teams, permissions, onlyServer, createdMs, expiresMs } = token;
  return {
    id,
    name,
    owner,
    teams: teams === "stored" ? "*" : teams && [...teams],
    scopes: { permissions: permissions && [...permissions], server_id: onlyServer },
    createdAt: instantOf(createdMs),
    expiresAt: instantOf(expiresMs),
  };
}

export const revocationMembers = {
  jti: line(LIMITS.subjectChars).nullish(),
  subject: line(LIMITS.subjectChars).nullish(),
  reason: lines(1024).nullish(),
};

/** What is revoked: one JWT, or those of a subject. */
export function isOneRevocation(
  { jti, subject }: { readonly jti?: unknown; readonly subject?: unknown },
): boolean {
  return Boolean(jti) !== Boolean(subject);
}

const newRevocation = z.strictObject(revocationMembers).refine(isOneRevocation, {
  error: "needs one of jti and subject",
}).openapi("NewRevocation");

const revocationRecord = z.object({
  id: z.string(),
  jti: z.string().optional(),
  subject: z.string().optional(),
  reason: z.string().optional(),
  createdAt: instant,
}).openapi("Revocation");

const REVOCATIONS = "/api/revocations";

export function createRevocationOperations(revocations: RevocationService): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: REVOCATIONS,
      summary: "Which JWTs are not good any more, though they have not expired",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(revocationRecord, "RevocationPage"),
      handle: ({ query: { cursor, limit } }) => {
        const placeOf = ({ createdMs, id }: Revocation) => [createdMs, id];
        const options = { list: "revocations", cursor, limit, placeOf };
        return list(pageOf(revocations.list(), options), revocationOf);
      },
    }),
    operation({
      method: "POST",
      path: REVOCATIONS,
      summary: "Revokes one JWT by its jti, or all that a subject has been given until now",
      query: NO_QUERY,
      body: newRevocation,
      status: 201,
      answer: revocationRecord,
      handle: async ({ body: { jti, subject, reason } }) => {
        const made = await revocations.create({
          tokenId: jti ?? undefined,
          subject: subject ?? undefined,
          reason: reason ?? undefined,
        });
        return created(revocationOf(made), { id: made.id, revision: 1 }, REVOCATIONS);
      },
    }),
    operation({
      method: "GET",
      path: `${REVOCATIONS}/{id}`,
      summary: "One revocation",
      query: NO_QUERY,
      body: NO_BODY,
      status: 200,
      answer: revocationRecord,
      handle: ({ id }) => ({ status: 200, body: revocationOf(revocations.find(id)) }),
    }),
    operation({
      method: "DELETE",
      path: `${REVOCATIONS}/{id}`,
      summary: "Takes a revocation back: what it revoked is good again",
      query: NO_QUERY,
      body: NO_BODY,
      status: 204,
      answer: undefined,
      handle: async ({ id }) => {
        await revocations.remove(id);
        return GONE;
      },
    }),
  ];
}

function revocationOf(revocation: Revocation): z.input<typeof revocationRecord> {
  const { id, tokenId, subject, reason, createdMs } = revocation;
  return { id, jti: tokenId, subject, reason, createdAt: instantOf(createdMs) };
}
