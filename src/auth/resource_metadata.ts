/**
 * What the gateway tells OAuth clients: the protected-resource document of each MCP endpoint, and
 * the challenge that names it.
 *
 * @module
 * @see RFC 9728, sections 2, 3.1 and 5.1; RFC 6750, section 3
 */
export const WELL_KNOWN_PATH = "/.well-known/oauth-protected-resource";

export interface ResourceMetadata {
  /** Equal to the URL that the client used, or the client must refuse the document. */
  readonly resource: string;
  readonly resource_name: string;
  readonly bearer_methods_supported: readonly string[];
  /** Where tokens are to be had; left out when there is no such place. */
  readonly authorization_servers?: readonly string[];
}

/**
 * @param baseUrl origin that the client used, without a final slash
 * @param issuers external issuers whose tokens are taken
 */
export function resourceMetadata(
  baseUrl: string,
  path: string,
  issuers: readonly string[] = [],
): ResourceMetadata {
  return {
    resource: baseUrl + path,
    resource_name: "Sallyport",
    bearer_methods_supported: ["header"],
    ...issuers.length > 0 && { authorization_servers: issuers },
  };
}

/** The value of `WWW-Authenticate` for a 401, or for a 403 when `scope` is what is missing. */
export function challenge(baseUrl: string, path: string, scope?: string): string {
  const metadata = `resource_metadata="${baseUrl}${WELL_KNOWN_PATH}${path}"`;
  if (scope === undefined) return `Bearer ${metadata}`;
  return `Bearer error="insufficient_scope", scope="${scope}", ${metadata}`;
}
