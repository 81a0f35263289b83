/**
 * Arguments that cannot be sent: nothing has left the gateway.
 *
 * @module
 */
import { GatewayError, untraced } from "../../domain/errors.ts";

/** @param what about the argument, as the rest of the sentence; never shows its value */
export function refused(name: string, what: string): GatewayError {
  const shown = JSON.stringify(name.toWellFormed().slice(0, 200));
  return untraced(() =>
    new GatewayError("invalid_params", `The argument ${shown} ${what}: nothing was sent`)
  );
}
