/**
 * What the reference system presents to gateways and APIs. Its secrets are sealed with a key of its
 * own, so of each only the kind is kept: a mask stands in its place, and is named as to be filled in.
 *
 * @module
 * @see reference/behaviour.md, sections 4.3, 6.1 and 7.10
 */
import { MASK } from "../../catalog/secrets.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import { isSettable } from "../../upstream/header_fields.ts";
import { auth as authSchema } from "../api/upstream_schemas.ts";
import { type Entry, entryOf, isObject, isText } from "./entry.ts";
import type { OwnNotes } from "./notes.ts";

export interface Credentials {
  readonly auth?: UpstreamAuth;
  /** Values are masks. */
  readonly headers: Readonly<Record<string, string>>;
  /** What it needs cannot be said here, or not before somebody fills it in: it is to be off. */
  readonly isLacking: boolean;
}

const NONE: Credentials = { headers: {}, isLacking: false };
const LACKING: Credentials = { headers: {}, isLacking: true };

/** Members of the entry, or of its `auth`, as they were asked for through two versions of the API. */
export function credentialsOf(entry: Entry, notes: OwnNotes): Credentials {
  const nested = entry.object("auth");
  const given = nested === undefined ? entry : entryOf({ ...nested });
  const type = (given.text("auth_type") ?? entry.text("auth_type"))?.toLowerCase();
  switch (type) {
    case undefined:
      if (SEALED.every((member) => given.peek(member) === undefined)) return NONE;
      notes.toFillIn("auth: the document does not say of which kind");
      return LACKING;
    case "none":
      return NONE;
    case "basic":
      return basic(given, notes);
    case "bearer":
      notes.toFillIn("auth.token");
      return { ...NONE, auth: { type: "bearer", token: MASK } };
    case "authheaders":
      return headers(given, notes);
    case "oauth":
      return oauth(entry, notes);
    case "query_param":
      notes.lost("Its key was sent in the query, which is not there: it is off until it has auth");
      return LACKING;
    case "one_time_auth":
      notes.lost("Credentials of callers are not passed on: it is off until it has auth");
      return LACKING;
    default:
      notes.lost("Its kind of auth is not known here: it is off until it has auth");
      return LACKING;
  }
}

const SEALED = ["auth_value", "auth_token", "auth_password", "auth_header_value"];

function basic(given: Entry, { toFillIn }: OwnNotes): Credentials {
  const username = given.text("auth_username") ?? given.text("username");
  const auth = authSchema.safeParse({ type: "basic", username, password: MASK });
  if (!auth.success || username === MASK) {
    // Sealed together; there is no mask for a user name.
    toFillIn("auth: user name and password (basic)");
    return LACKING;
  }
  toFillIn("auth.password");
  return { ...NONE, auth: auth.data };
}

/** One header is `auth`; of several, each is a header with a secret value. */
function headers(given: Entry, { lost, toFillIn }: OwnNotes): Credentials {
  const listed = given.list("auth_headers") ?? [];
  const names = [
    given.text("auth_header_key"),
    ...listed.map((one) => isObject(one) ? one.key : undefined),
  ].filter(isText);
  const usable = [...new Map(names.map((name) => [name.toLowerCase(), name])).values()]
    .filter(isSettable);
  if (usable.length === 0) {
    toFillIn("auth: name and value of a header (header)");
    return LACKING;
  }
  if (usable.length < names.length) lost("Some headers of its auth cannot be set here");
  if (usable.length === 1) {
    toFillIn("auth.value");
    return { ...NONE, auth: { type: "header", name: usable[0]!, value: MASK } };
  }
  for (const name of usable) toFillIn(`headers.${name}`);
  return { ...NONE, headers: Object.fromEntries(usable.map((name) => [name, MASK])) };
}

function oauth(entry: Entry, { lost, toFillIn }: OwnNotes): Credentials {
  const given = entryOf(entry.object("oauth_config") ?? {});
  const grant = given.text("grant_type")?.toLowerCase() ?? "client_credentials";
  if (grant !== "client_credentials") {
    lost("Its OAuth grant is not client_credentials, which is the only one: it is off until then");
    return LACKING;
  }
  const auth = authSchema.safeParse({
    type: "oauth_client_credentials",
    tokenUrl: given.text("token_url"),
    clientId: given.text("client_id"),
    clientSecret: MASK,
    scope: scopeOf(given),
    resource: given.text("resource"),
  });
  if (!auth.success) {
    toFillIn("auth: all of it (oauth_client_credentials)");
    return LACKING;
  }
  toFillIn("auth.clientSecret");
  return { ...NONE, auth: auth.data };
}

function scopeOf(given: Entry): string | undefined {
  const scopes = given.any("scopes") ?? given.any("scope");
  const list = (Array.isArray(scopes) ? scopes : [scopes]).filter(isText).filter((one) => one);
  return list.length === 0 ? undefined : list.join(" ");
}
