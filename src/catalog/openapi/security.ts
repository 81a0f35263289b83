/**
 * Security schemes of a document, as credentials that somebody has to fill in. A document holds no
 * secrets; what it says is only where they go.
 *
 * @module
 * @see OpenAPI 3.1.1, "Security Scheme Object"
 */
import { isMembers, type Members } from "./document.ts";
import type { References } from "./references.ts";

/** `auth` of a tool without its secrets. */
export type AuthTemplate =
  | { readonly type: "bearer" }
  | { readonly type: "basic" }
  | { readonly type: "header"; readonly name: string }
  | {
    readonly type: "oauth_client_credentials";
    readonly tokenUrl: string;
    readonly scope?: string;
  };

export interface SchemeToFill {
  /** Of the scheme, as the document has it. */
  readonly scheme: string;
  /** What it becomes in `auth`; absent where `auth` cannot express it. */
  readonly auth?: AuthTemplate;
  /** Members of `auth` that are for whoever has them. */
  readonly missing: readonly string[];
  readonly note?: string;
  /** Tools that ask for it. */
  readonly tools: string[];
}

export interface SecurityReader {
  /**
   * Notes that a tool of these requirements exists.
   * @param requirements those of the operation, else those of the document
   * @returns whether it wants any credentials
   */
  readonly note: (tool: string, requirements: unknown) => boolean;
  readonly schemes: () => readonly SchemeToFill[];
}

export function createSecurityReader(
  references: References,
  root: Members,
  baseUrl: URL | undefined,
): SecurityReader {
  const components = isMembers(root.components) ? root.components : {};
  const known = isMembers(components.securitySchemes) ? components.securitySchemes : {};
  const found = new Map<string, SchemeToFill>();

  function toFill(name: string): SchemeToFill {
    let one = found.get(name);
    if (one === undefined) {
      const scheme = references.resolve(known[name]);
      const read = isMembers(scheme)
        ? readScheme(scheme, baseUrl)
        : { missing: [], note: "The document does not say what it is" };
      found.set(name, one = { scheme: name, ...read, tools: [] });
    }
    return one;
  }

  return {
    note(tool, requirements) {
      const all = Array.isArray(requirements) ? requirements.filter(isMembers) : [];
      // An empty one among them says that it goes without.
      const isFree = all.length === 0 || all.some((one) => Object.keys(one).length === 0);
      for (const name of new Set(all.flatMap((one) => Object.keys(one)))) {
        toFill(name).tools.push(tool);
      }
      return !isFree || requirements === undefined;
    },
    schemes: () => [...found.values()],
  };
}

type Read = Pick<SchemeToFill, "auth" | "missing" | "note">;

function readScheme(scheme: Members, baseUrl: URL | undefined): Read {
  switch (scheme.type) {
    case "http":
      return ofHttp(String(scheme.scheme ?? "").toLowerCase());
    case "apiKey":
      return ofKey(scheme);
    case "oauth2":
      return ofOAuth(isMembers(scheme.flows) ? scheme.flows : {}, baseUrl);
    case "openIdConnect":
      return OF_PEOPLE;
    case "mutualTLS":
      return { missing: [], note: "Certificates of clients cannot be presented" };
    default:
      return { missing: [], note: "Its type is not known" };
  }
}

const BEARER: Read = { auth: { type: "bearer" }, missing: ["token"] };

const OF_PEOPLE: Read = {
  ...BEARER,
  note: "Nobody signs in for a tool: fill in a token that it always sends",
};

function ofHttp(scheme: string): Read {
  if (scheme === "bearer") return BEARER;
  if (scheme === "basic") return { auth: { type: "basic" }, missing: ["username", "password"] };
  return { missing: [], note: `The HTTP scheme ${JSON.stringify(scheme)} cannot be presented` };
}

function ofKey({ in: place, name }: Members): Read {
  if (place === "header" && typeof name === "string") {
    return { auth: { type: "header", name }, missing: ["value"] };
  }
  return { missing: [], note: `A key cannot be presented in the ${String(place).slice(0, 40)}` };
}

function ofOAuth(flows: Members, baseUrl: URL | undefined): Read {
  const flow = flows.clientCredentials;
  if (!isMembers(flow) || typeof flow.tokenUrl !== "string") {
    return {
      ...BEARER,
      note: "Only client credentials are asked for: a token that is always sent",
    };
  }
  if (!URL.canParse(flow.tokenUrl, baseUrl)) return { missing: [], note: "Its tokenUrl is no URL" };
  const scope = isMembers(flow.scopes) ? Object.keys(flow.scopes).join(" ") : "";
  return {
    auth: {
      type: "oauth_client_credentials",
      tokenUrl: new URL(flow.tokenUrl, baseUrl).href,
      ...scope === "" ? {} : { scope },
    },
    missing: ["clientId", "clientSecret"],
  };
}
