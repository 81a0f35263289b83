/**
 * Listens to an upstream server for as long as it is wanted: opens its stream again when it breaks.
 *
 * @module
 */
import type { Heard, ReaderWatch } from "../../catalog/reader.ts";
import type { ItemKind } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import { jittered } from "../../platform/random.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import { nameOf } from "../json_scan.ts";
import { isObject, type JsonObject } from "../message.ts";
import { type Found, isText, scanUpstream, sortMembers } from "../upstream_message.ts";
import { messagesIn } from "./calls.ts";
import type { OwnSide, OwnStream } from "./side.ts";

export interface WatchingDeps {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly failed: (server: UpstreamServer, error: unknown) => void;
  /** What a server of the session era tells the gateway itself: params of `notifications/message`. */
  readonly told: (server: UpstreamServer, params: JsonObject) => void;
}

export interface Watching {
  readonly server: UpstreamServer;
  readonly kinds: readonly ItemKind[];
  /** Asked before each stream. */
  readonly sideOf: () => Promise<OwnSide>;
  readonly heard: Heard;
  readonly abort: AbortController;
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
/** A stream that lasts this long was worth opening. */
const LASTING_MS = 30_000;

const MESSAGE = nameOf("notifications/message");
const ACKNOWLEDGED = nameOf("notifications/subscriptions/acknowledged");
const CHANGES:
  readonly (readonly [method: ReturnType<typeof nameOf>, kinds: readonly ItemKind[]])[] = [
    [nameOf("notifications/tools/list_changed"), ["tool"]],
    [nameOf("notifications/prompts/list_changed"), ["prompt"]],
    [nameOf("notifications/resources/list_changed"), ["resource", "template"]],
  ];

export function watchServer(deps: WatchingDeps, watching: Watching): ReaderWatch {
  const { abort, server } = watching;
  let opened!: () => void;
  const isOpened = new Promise<void>((resolve) => opened = resolve);
  run(deps, watching, opened).catch((error) => {
    if (!abort.signal.aborted) deps.failed(server, error);
  }).finally(opened);
  return { opened: isOpened, stop: () => abort.abort() };
}

async function run(deps: WatchingDeps, watching: Watching, opened: () => void): Promise<void> {
  const { server, kinds, sideOf, heard, abort } = watching;
  let attempts = 0;
  let eventId: string | undefined;
  let isFirst = true;
  for (;;) {
    let waitMs = Math.min(RETRY_MS_MIN * 2 ** attempts++, RETRY_MS_MAX);
    try {
      const stream = await (await sideOf()).listen(server, kinds, eventId, abort);
      if (stream === "none") return;
      const hasMissed = !isFirst && !stream.isResumed;
      isFirst = false;
      const startedMs = deps.clock.monotonic();
      const isOpen = () => {
        opened();
        if (hasMissed) heard(kinds, "missed");
      };
      const said = await pump(deps, watching, stream, isOpen);
      if (said > 0 || deps.clock.monotonic() - startedMs >= LASTING_MS) attempts = 0;
      eventId = stream.reply.lastEventId();
      waitMs = Math.max(waitMs, Math.min(stream.reply.retryMs() ?? 0, RETRY_MS_MAX));
    } catch (error) {
      abort.signal.throwIfAborted();
      // What it was left at may be what the server does not know.
      eventId = undefined;
      deps.failed(server, error);
    }
    await sleep(deps.timers, jittered(waitMs), abort.signal);
  }
}

/** Hears what the server says until the stream ends; gives the number of changes. */
async function pump(
  deps: WatchingDeps,
  { server, heard, abort }: Watching,
  { reply, isAcknowledged, asked }: OwnStream,
  opened: () => void,
): Promise<number> {
  let said = 0;
  /** False when the server has ended the stream. */
  const take = (message: Uint8Array): boolean => {
    const found = sortMembers(message, scanUpstream(message).members);
    const { id, method } = found;
    if (method === undefined) return !isAcknowledged;
    if (id !== undefined) asked?.(message, found);
    else if (isText(message, method, ACKNOWLEDGED)) opened();
    else if (isText(message, method, MESSAGE)) tellLog(deps, server, message, found);
    for (const [name, kinds] of CHANGES) {
      if (!isText(message, method, name)) continue;
      said++;
      heard(kinds, "said");
    }
    return true;
  };
  try {
    if (!isAcknowledged) opened();
    for (let bytes = await reply.next(); bytes !== undefined; bytes = await reply.next()) {
      if (!takeAll(bytes, take, (error) => deps.failed(server, error))) break;
    }
  } catch (error) {
    abort.signal.throwIfAborted();
    deps.failed(server, error);
  } finally {
    reply.close();
  }
  return said;
}

function tellLog(
  { told }: WatchingDeps,
  server: UpstreamServer,
  message: Uint8Array,
  { params }: Found,
): void {
  if (params === undefined || params.end - params.start > LIMITS.serverMessageBytes) return;
  const value: unknown = JSON.parse(decoder.decode(message.subarray(params.start, params.end)));
  if (isObject(value)) told(server, value);
}

const decoder = new TextDecoder();

/** What is no message is left out; the stream goes on. */
function takeAll(
  bytes: Uint8Array,
  take: (message: Uint8Array) => boolean,
  failed: (error: unknown) => void,
): boolean {
  try {
    return messagesIn(bytes).every(take);
  } catch (error) {
    failed(error);
    return true;
  }
}
