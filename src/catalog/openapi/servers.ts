/**
 * Where the operations of a document are: its `servers`, or what an import says instead.
 *
 * @module
 * @see OpenAPI 3.1.1, "Server Object"
 */
import { isMembers } from "./document.ts";
import { Inexpressible } from "./references.ts";

/** What the paths of a document are appended to: without a slash at its end. */
export type Base = string;

/** @throws {Error} for what paths cannot be appended to */
export function baseOf(url: string, relativeTo?: string): Base {
  const full = relativeTo === undefined ? undefined : new URL(relativeTo);
  if (/[{}]/.test(url)) throw new Error("must not hold a template");
  if (!URL.canParse(url, full)) throw new Error("must be an http or https URL");
  const base = new URL(url, full);
  if (!/^https?:$/.test(base.protocol)) throw new Error("must be an http or https URL");
  if (base.username !== "" || base.password !== "") throw new Error("must not hold credentials");
  if (base.search !== "" || base.href.includes("#")) {
    throw new Error("must not hold a query or a fragment");
  }
  return base.href.replace(/\/+$/, "");
}

/**
 * The first of the servers that can be called.
 * @param servers of the operation, of its path, and of the document; the first that says any counts
 * @param documentUrl where the document was found
 * @throws {Inexpressible} when there is none
 */
export function serverOf(servers: readonly unknown[], documentUrl: string | undefined): Base {
  const list = servers.find((one) => Array.isArray(one) && one.length > 0) ?? [{ url: "/" }];
  let reason = "";
  for (const server of Array.isArray(list) ? list : []) {
    if (!isMembers(server) || typeof server.url !== "string") continue;
    try {
      return baseOf(filled(server.url, server.variables), documentUrl);
    } catch (error) {
      // Not shown: people have written passwords there.
      reason ||= error instanceof Error ? error.message : "";
    }
  }
  throw new Inexpressible(
    `No server can be called without a base URL: one ${reason || "has to be there"}`,
  );
}

/** With the defaults of its variables: nobody is there to choose others. */
function filled(url: string, variables: unknown): string {
  return url.replace(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = isMembers(variables) ? variables[name] : undefined;
    const value = isMembers(variable) ? variable.default : undefined;
    return value === undefined ? whole : String(value);
  });
}
