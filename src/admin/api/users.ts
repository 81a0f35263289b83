/**
 * `/api/users`
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { UserService } from "../../auth/user_service.ts";
import type { UserRow } from "../../storage/account_tables.ts";
import { created, GONE, list, one } from "./answers.ts";
import { pageOf } from "./cursor.ts";
import { NO_BODY, NO_QUERY, type Operation, operation } from "./operation.ts";
import { email, instant, instantOf, line, pageOfSchema, pageQuery } from "./schemas.ts";

const PATH = "/api/users";

const settings = {
  fullName: line(256).nullish(),
  isAdmin: z.boolean().optional(),
  enabled: z.boolean().optional(),
};

export const newUser = z.strictObject({ email, ...settings }).openapi("NewUser");
const userChange = z.strictObject(settings).openapi("UserChange");

const record = z.object({
  email: z.string(),
  fullName: z.string().optional(),
  isAdmin: z.boolean(),
  enabled: z.boolean(),
  createdAt: instant,
  updatedAt: instant,
}).openapi("User");

export function createUserOperations(users: UserService): readonly Operation[] {
  const version = ({ key, revision }: UserRow) => ({ id: key, revision });
  return [
    operation({
      method: "GET",
      path: PATH,
      summary: "Users, by address; for all but administrators only the caller",
      query: z.strictObject(pageQuery),
      body: NO_BODY,
      status: 200,
      answer: pageOfSchema(record, "UserPage"),
      handle: ({ query: { cursor, limit }, principal }) => {
        const placeOf = ({ key }: UserRow) => [key];
        const options = { list: "users", cursor, limit, placeOf };
        return list(pageOf(users.list(principal), options), recordOf);
      },
    }),
    operation({
      method: "POST",
      path: PATH,
      summary: "Adds a user; one who was deleted comes back",
      query: NO_QUERY,
      body: newUser,
      status: 201,
      answer: record,
      hasEtag: true,
      handle: async ({ body }) => {
        const user = await users.create({
          email: body.email,
          fullName: body.fullName ?? undefined,
          isAdmin: body.isAdmin ?? false,
          enabled: body.enabled ?? true,
        });
        return created(recordOf(user), version(user), PATH);
      },
    }),
    operation({
      method: "GET",
      path: `${PATH}/{id}`,
      summary: "One user, by address",
      query: NO_QUERY,
      body: NO_BODY,
      status: 200,
      answer: record,
      hasEtag: true,
      handle: ({ id, principal }) => {
        const user = users.find(id, principal);
        return one(recordOf(user), version(user));
      },
    }),
    operation({
      method: "PATCH",
      path: `${PATH}/{id}`,
      summary: "Changes the members that are given; what that takes away is gone within 5 seconds",
      query: NO_QUERY,
      body: userChange,
      status: 200,
      answer: record,
      hasEtag: true,
      handle: async ({ id, body, isExpected, principal }) => {
        const { fullName, isAdmin, enabled } = body;
        const user = await users.update(
          id,
          {
            ...fullName === undefined ? {} : { fullName: fullName ?? undefined },
            ...isAdmin === undefined ? {} : { isAdmin },
            ...enabled === undefined ? {} : { enabled },
          },
          isExpected,
          principal,
        );
        return one(recordOf(user), version(user));
      },
    }),
    operation({
      method: "DELETE",
      path: `${PATH}/{id}`,
      summary:
        "Removes a user with memberships and API tokens; the address lets nobody in any more",
      query: NO_QUERY,
      body: NO_BODY,
      status: 204,
      answer: undefined,
      handle: async ({ id, isExpected, principal }) => {
        await users.remove(id, isExpected, principal);
        return GONE;
      },
    }),
  ];
}

function recordOf(user: UserRow): z.input<typeof record> {
  const { email, fullName, isAdmin, enabled, createdMs, updatedMs } = user;
  return {
    email,
    fullName,
    isAdmin,
    enabled,
    createdAt: instantOf(createdMs),
    updatedAt: instantOf(updatedMs),
  };
}
