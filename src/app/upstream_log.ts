/**
 * What upstream servers log to the gateway itself, as lines of its own log: each at its level, and
 * not more than a person would read.
 *
 * @module
 */
import type { UpstreamServer } from "../domain/server.ts";
import { createServerLog, type ServerLog } from "../upstream/stdio/server_log.ts";
import { type Log, logLevelOf } from "../telemetry/log.ts";
import { redact } from "../telemetry/redact.ts";

interface Said {
  readonly level?: unknown;
  readonly logger?: unknown;
  readonly data?: unknown;
}

export function createUpstreamLog(log: Log, now: () => number) {
  const logs = new WeakMap<UpstreamServer, ServerLog>();
  /** What is being written: that happens at once. */
  let said: Said = {};

  function linesOf({ slug }: UpstreamServer): ServerLog {
    return createServerLog({
      redact: (text) => text,
      write(text) {
        const { level, logger } = said;
        const from = typeof logger === "string" ? { logger } : {};
        const fields = { server: slug, mcpLevel: level, ...from, text };
        log[logLevelOf(level)]("An upstream server says", fields);
      },
      dropped: (lines) =>
        log.warning("An upstream server has said more than is logged", { server: slug, lines }),
      now,
    });
  }

  return (server: UpstreamServer, message: Said): void => {
    const lines = logs.get(server) ?? linesOf(server);
    logs.set(server, lines);
    said = message;
    const { data } = message;
    const text = typeof data === "string" ? data : JSON.stringify(redact(data)) ?? "";
    // One message is one line, whatever is in it.
    lines.push(encoder.encode(`${text.replace(/[\r\n]+/g, " ")}\n`));
  };
}

const encoder = new TextEncoder();
