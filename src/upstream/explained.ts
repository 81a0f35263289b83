/**
 * Failures on the way to a server and back, told so that the caller knows whether the call may have
 * been carried out.
 *
 * @module
 * @see contract.md, section 7, points 1 and 2
 */
import { GatewayError } from "../domain/errors.ts";
import { ConnectionLost } from "../platform/http1/connection.ts";
import { UpstreamStatusError } from "./reply.ts";

/** A failure of which it has been said already whether the call may have been carried out. */
export class Told extends GatewayError {}

/**
 * What the caller is told.
 * @param isSafe whether nothing can have been carried out, or carrying it out twice does no harm
 */
export function explained(error: unknown, isSafe: boolean): unknown {
  if (error instanceof Told) return error;
  if (error instanceof ConnectionLost) {
    const text = error.message;
    return isSafe
      ? new GatewayError("upstream_unavailable", text)
      : new GatewayError("outcome_unknown", `${text} before it answered: ${UNKNOWN}`);
  }
  if (isSafe || !(error instanceof GatewayError)) return error;
  if (error instanceof UpstreamStatusError) {
    // 4xx and 503 refuse before anything is done; another 5xx may be the end of something done.
    const isRefusal = error.status < 500 || error.status === 503;
    return isRefusal ? error : new GatewayError("outcome_unknown", `${error.message}: ${UNKNOWN}`);
  }
  const { code } = error;
  if (code === "unavailable") {
    return new GatewayError("outcome_unknown", `${error.message}: ${UNKNOWN}`);
  }
  if (code !== "upstream_timeout" && code !== "upstream_protocol") return error;
  return new GatewayError(code, `${error.message}: ${UNKNOWN}`);
}

export const UNKNOWN = "whether the call was carried out is not known";
