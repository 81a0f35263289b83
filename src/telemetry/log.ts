/**
 * Structured log lines on standard error, one JSON object or one readable line each.
 *
 * Fields are data, never prose: text from outside is a field, so it cannot make a line of its own.
 * Every record passes `redact` before it is written.
 *
 * @module
 */
import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
} from "@logtape/logtape";
import { redact } from "./redact.ts";

export type LogLevel = "debug" | "info" | "warning" | "error";

/**
 * The level of the log for one of the eight of MCP; for what is none of them, that of information.
 * @see MCP 2026-07-28, Utilities, "Logging"
 */
export function logLevelOf(level: unknown): LogLevel {
  return typeof level === "string" ? LEVELS.get(level) ?? "info" : "info";
}

const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ["debug", "debug"],
  ["info", "info"],
  ["notice", "info"],
  ["warning", "warning"],
  ["error", "error"],
  ["critical", "error"],
  ["alert", "error"],
  ["emergency", "error"],
]);

export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  readonly debug: (message: string, fields?: Fields) => void;
  readonly info: (message: string, fields?: Fields) => void;
  readonly warning: (message: string, fields?: Fields) => void;
  readonly error: (message: string, fields?: Fields) => void;
  /** Whether debug lines are written: the message path asks before it builds any. */
  readonly isDebug: boolean;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly write: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const format = options.format === "json"
    ? getJsonLinesFormatter({ properties: "flatten", message: "rendered" })
    : getTextFormatter({ timestamp: "time", level: "full", format: textLine });
  configureSync({
    reset: true,
    sinks: { stderr: (record) => options.write(format(redacted(record))) },
    loggers: [
      { category: ["sallyport"], lowestLevel: options.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
  const logger = getLogger(["sallyport"]);
  return {
    debug: (message, fields = {}) => logger.debug(message, { ...fields }),
    info: (message, fields = {}) => logger.info(message, { ...fields }),
    warning: (message, fields = {}) => logger.warn(message, { ...fields }),
    error: (message, fields = {}) => logger.error(message, { ...fields }),
    isDebug: options.level === "debug",
  };
}

function redacted(record: LogRecord): LogRecord {
  return { ...record, properties: redact(record.properties) as Record<string, unknown> };
}

function textLine(
  parts: { timestamp: string | null; level: string; message: string; record: LogRecord },
): string {
  const { timestamp, level, message, record } = parts;
  const fields = Object.entries(record.properties)
    .map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  return `${timestamp} ${level} ${message}${fields.join("")}`;
}
