/**
 * A large OpenAPI document: how long until its operations are tools, and whether the process answers
 * others meanwhile.
 *
 * @module
 */

import { openConnection } from "./connection.ts";
import { ALL_PATH } from "./contenders.ts";
import { whileProbed } from "./discover.ts";
import { newAccess, startGateway } from "./gateway.ts";
import { listed, PAGE_BYTES_MAX } from "./listing.ts";
import { largeDocument } from "./openapi_document.ts";
import type { Processes } from "./processes.ts";
import { plainRequestOf } from "./requests.ts";

/** What was found. */
export interface ImportFigures {
  readonly operations: number;
  readonly documentBytes: number;
  /** From the request to the answer; then for a second time, when nothing has changed. */
  readonly importMs: number;
  readonly againMs: number;
  /** From the request until all are listed. */
  readonly listedMs: number;
  /** Longest answer to the smallest request: with nothing else to do, and while all that happens. */
  readonly quietPauseMs: number;
  readonly pauseMs: number;
}

const QUIET_MS = 300;

/** @throws {Error} when not all operations become tools */
export async function measureImport(
  processes: Processes,
  scratchDir: string,
  operations: number,
): Promise<ImportFigures> {
  const { env, token } = await newAccess();
  const listener = await startGateway(processes, {}, `${scratchDir}/import`, env);
  const { port } = listener;
  const connection = await openConnection(port, PAGE_BYTES_MAX);
  const prober = await openConnection(port, PAGE_BYTES_MAX);
  const document = largeDocument(operations);
  const health = encoder.encode(plainRequestOf("GET", { port, path: "/health", token }));
  const path = "/api/tools/import/openapi";
  const request = encoder.encode(plainRequestOf("POST", { port, path, token }, { document }));
  const imported = async (member: "created" | "unchanged") => {
    const startMs = performance.now();
    const { status, body } = await connection.exchange(request);
    const wallMs = performance.now() - startMs;
    const text = new TextDecoder().decode(body);
    if (status !== 200) throw new Error(`The import: status ${status}: ${text.slice(0, 200)}`);
    const { [member]: made } = JSON.parse(text);
    const count = Array.isArray(made) ? made.length : made;
    if (count !== operations) {
      throw new Error(`${count} of ${operations} tools are ${member}: ${text.slice(0, 500)}`);
    }
    return wallMs;
  };
  try {
    // Once around without counting it: the first probes are those of a cold process.
    await whileProbed(prober, health, () => sleep(QUIET_MS));
    const quiet = await whileProbed(prober, health, () => sleep(QUIET_MS));
    const first = await whileProbed(prober, health, async () => {
      const importMs = await imported("created");
      await listed({ port, path: ALL_PATH, token }, operations);
      return importMs;
    });
    const againMs = await imported("unchanged");
    return {
      operations,
      documentBytes: JSON.stringify(document).length,
      importMs: first.value,
      againMs,
      listedMs: first.wallMs,
      quietPauseMs: quiet.pauseMs,
      pauseMs: first.pauseMs,
    };
  } finally {
    connection.close();
    prober.close();
    listener.check();
    await listener.stop();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const encoder = new TextEncoder();
