/**
 * How a child process came to its end, and what is told about it.
 *
 * @module
 */
import { ConnectionLost } from "../../platform/http1/connection.ts";
import type { Exit } from "../../platform/process.ts";

/** The process ended while an answer was due. The message may be shown to the caller. */
export class ChildExited extends ConnectionLost {
  constructor(text: string) {
    super(true);
    this.message = text;
  }
}

/** Why the gateway itself ended a process; the first three are the ordinary ways. */
export type Ending =
  | "its session ended"
  | "it was idle"
  | "the gateway is stopping"
  | "its server was removed"
  | "it did not answer"
  | "it sent a message that is too large"
  | "it closed its input or output";

/** Those that are the fault of the server. */
const FAULTS: ReadonlySet<Ending> = new Set<Ending>([
  "it sent a message that is too large",
  "it closed its input or output",
]);

const SAID_CHARS = 200;

/** Whether it should not be started again at once. */
export function isFault(ending: Ending | undefined): boolean {
  return ending === undefined || FAULTS.has(ending);
}

/**
 * One sentence without its stop.
 * @param said the last line that it wrote to its log, without secrets
 */
export function explainExit(
  { code, signal }: Exit,
  ending: Ending | undefined,
  said: string | undefined,
): string {
  if (ending !== undefined) return `The upstream server's process was ended: ${ending}`;
  const how = signal === undefined ? `ended with code ${code}` : `was ended by ${signal}`;
  const last = said === undefined ? "" : ` (last line of its log: ${quoted(said)})`;
  return `The upstream server's process ${how}${last}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > SAID_CHARS ? `${text.slice(0, SAID_CHARS)}…` : text);
}
