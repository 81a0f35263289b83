/**
 * `auth` of an upstream server's entry: what the gateway presents there.
 *
 * @module
 * @see contract.md, section 6
 */
import { z } from "zod";
import type { UpstreamAuth } from "../domain/server.ts";
import { isHeaderValue, isSettable } from "../upstream/header_fields.ts";
import { noteUnknown, type Reading, type Substitute } from "./reading.ts";

const none = z.looseObject({ type: z.literal("none") });
const bearer = z.looseObject({ type: z.literal("bearer"), token: z.string() });
const basic = z.looseObject({
  type: z.literal("basic"),
  username: z.string(),
  password: z.string(),
});
const header = z.looseObject({ type: z.literal("header"), name: z.string(), value: z.string() });
const clientCredentials = z.looseObject({
  type: z.literal("oauth_client_credentials"),
  tokenUrl: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
  scope: z.string().optional(),
  resource: z.string().optional(),
});

const KINDS = [none, bearer, basic, header, clientCredentials] as const;

export const authEntry = z.discriminatedUnion("type", KINDS);

export type AuthEntry = z.infer<typeof authEntry>;

/** @param path of `auth` in the file */
export function readAuth(
  reading: Reading,
  substitute: Substitute,
  entry: AuthEntry | undefined,
  path: string,
): UpstreamAuth {
  if (entry === undefined) return { type: "none" };
  const { problems } = reading;
  const { shape } = KINDS.find(({ shape }) => shape.type.value === entry.type)!;
  noteUnknown(reading, entry, shape, path);

  /** A member with its variables; what is wrong with it is said without showing it. */
  const member = (name: string, text: string, check: (value: string) => string | undefined) => {
    const value = substitute(text, `${path}.${name}`);
    const wrong = value === undefined ? undefined : check(value);
    if (wrong !== undefined) problems.push(`${path}.${name}: ${wrong}`);
    return value ?? "";
  };
  switch (entry.type) {
    case "none":
      return { type: "none" };
    case "bearer":
      return { type: "bearer", token: member("token", entry.token, wrongToken) };
    case "basic":
      return {
        type: "basic",
        username: member("username", entry.username, wrongUsername),
        password: member("password", entry.password, wrongText),
      };
    case "header":
      return {
        type: "header",
        name: member("name", entry.name, wrongHeader),
        value: member("value", entry.value, wrongValue),
      };
    case "oauth_client_credentials":
      return {
        type: "oauth_client_credentials",
        tokenUrl: member("tokenUrl", entry.tokenUrl, wrongUrl),
        clientId: member("clientId", entry.clientId, wrongValue),
        clientSecret: member("clientSecret", entry.clientSecret, wrongValue),
        ...entry.scope === undefined ? {} : { scope: member("scope", entry.scope, wrongValue) },
        ...entry.resource === undefined
          ? {}
          : { resource: member("resource", entry.resource, wrongResource) },
      };
  }
}

/** `token68` and a little more: what no server takes is a mistake in the variable. */
function wrongToken(value: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(value) ? undefined : "must be printable ASCII without spaces";
}

function wrongValue(value: string): string | undefined {
  return value !== "" && isHeaderValue(value) ? undefined : "must be printable ASCII, not empty";
}

function wrongText(value: string): string | undefined {
  return /\p{Cc}/u.test(value) ? "must not hold control characters" : undefined;
}

/** RFC 7617, section 2: the first colon ends the name. */
function wrongUsername(value: string): string | undefined {
  return value.includes(":") ? "must not hold a colon" : wrongText(value);
}

function wrongHeader(value: string): string | undefined {
  return isSettable(value) ? undefined : "the header cannot be set here";
}

function wrongUrl(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return "must be an http or https URL";
  const hasMore = url.username !== "" || url.password !== "" || url.hash !== "";
  return hasMore ? "must not hold credentials or a fragment" : undefined;
}

/** RFC 8707, section 2. */
function wrongResource(value: string): string | undefined {
  const isRight = URL.canParse(value) && !value.includes("#") && isHeaderValue(value);
  return isRight ? undefined : "must be an absolute URI without a fragment";
}
