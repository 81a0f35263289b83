/**
 * The one refusal for whatever is wrong with a credential.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";

/**
 * The caller learns only that the credential is not valid.
 * @param cause why, for the log
 */
export function invalidToken(cause: unknown): GatewayError {
  return new GatewayError("unauthenticated", "Authentication required", { cause });
}
