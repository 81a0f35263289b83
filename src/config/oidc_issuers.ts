/**
 * `OIDC_ISSUERS`: the external issuers whose tokens are taken.
 *
 * @module
 * @see contract.md, section 2
 */
import { z } from "zod";
import type { OidcIssuer } from "../auth/issuers.ts";
import { LIMITS } from "../domain/limits.ts";

const name = z.string().min(1);

const issuerEntry = z.strictObject({
  issuer: z.string(),
  audience: name,
  jwksUri: z.string().optional(),
  emailClaim: name.optional(),
  teamsClaim: name.optional(),
});

/** @throws {Error} naming everything that is wrong, in one text */
export function oidcIssuers(text: string): readonly OidcIssuer[] {
  if (text.trim() === "") return [];
  const entries = parsedList(text);
  const problems: string[] = [];
  const issuers = entries.flatMap((entry, at) => readIssuer(entry, `[${at}]`, problems));
  const names = issuers.map(({ issuer }) => issuer);
  for (const twice of names.filter((one, at) => names.indexOf(one) !== at)) {
    problems.push(`"${twice}" is listed twice`);
  }
  if (entries.length > LIMITS.oidcIssuers) problems.push(`at most ${LIMITS.oidcIssuers} issuers`);
  if (problems.length > 0) throw new Error(`is wrong: ${problems.join("; ")}`);
  return issuers;
}

function parsedList(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below, as what is JSON and no list.
  }
  if (Array.isArray(value)) return value;
  throw new Error('must be a JSON list such as [{"issuer": "https://…", "audience": "…"}]');
}

function readIssuer(value: unknown, path: string, problems: string[]): readonly OidcIssuer[] {
  const result = issuerEntry.safeParse(value);
  if (!result.success) {
    problems.push(
      ...result.error.issues.map(({ path: inner, message }) =>
        `${[path, ...inner.map(String)].join(".")}: ${message}`
      ),
    );
    return [];
  }
  const { issuer, audience, jwksUri, emailClaim, teamsClaim } = result.data;
  if (!isPlainUrl(issuer) || /[?#]/.test(issuer)) {
    problems.push(`${path}.issuer: must be an http or https URL, as the tokens have it in "iss"`);
  }
  if (jwksUri !== undefined && !isPlainUrl(jwksUri)) {
    problems.push(`${path}.jwksUri: must be an http or https URL`);
  }
  return [{ issuer, audience, jwksUri, emailClaim, teamsClaim }];
}

/** Nothing that would be read differently elsewhere: no space, no credentials, no fragment. */
function isPlainUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:\/\/[^/]/i.test(text) && !/[\s\p{Cc}#]/u.test(text) &&
    url.username === "" && url.password === "";
}
