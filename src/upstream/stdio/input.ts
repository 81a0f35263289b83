/**
 * What is written to a child process: each message whole, on one line, and not more than a little
 * ahead of what it reads.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "stdio"
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";

/**
 * @param write to the process
 * @param broken told when it cannot be written to any more
 * @returns writes one message; throws `upstream_unavailable` when too much waits to be read
 */
export function createInput(
  write: (bytes: Uint8Array) => Promise<void>,
  broken: () => void,
): (message: Uint8Array) => void {
  let waitingBytes = 0;
  return (message) => {
    if (waitingBytes > LIMITS.stdioInputBytes) {
      throw new GatewayError("upstream_unavailable", "The upstream server does not read its input");
    }
    const line = lineOf(message);
    waitingBytes += line.length;
    write(line).catch(broken).finally(() => waitingBytes -= line.length);
  };
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * The message and its line end. A raw line break can only stand between tokens, where a space says
 * the same: a message with one would be read as two.
 */
function lineOf(message: Uint8Array): Uint8Array {
  const line = new Uint8Array(message.length + 1);
  line.set(message);
  if (message.includes(LF) || message.includes(CR)) {
    for (let i = 0; i < message.length; i++) if (line[i] === LF || line[i] === CR) line[i] = 0x20;
  }
  line[message.length] = LF;
  return line;
}
