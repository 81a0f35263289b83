/**
 * Everything that one upstream server offers, as it says now.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import { type Dropped, ITEM_KINDS, type ItemKind, type Offer } from "../domain/item.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { ConnectionLost } from "../platform/http1/connection.ts";
import { createDropReport } from "./dropped.ts";
import type { Description, UpstreamReader } from "./reader.ts";
import { type Reading, type ReadingDeps, readList, strictest } from "./reading.ts";

export interface Offering {
  readonly description: Description;
  /** Lists that could be read, all or in part. Kinds that the server does not offer are empty. */
  readonly readings: readonly Reading[];
  /** Lists that could not: nothing is known of them. */
  readonly failures: readonly ListFailure[];
  readonly dropped: readonly Dropped[];
}

export interface ListFailure {
  readonly kind: ItemKind;
  readonly error: unknown;
}

export interface OfferingDeps extends ReadingDeps {
  readonly reader: Pick<UpstreamReader, "describe" | "page">;
}

/**
 * @param totalMs after which no further page is asked for
 * @param described awaited before the lists are read
 * @throws as `UpstreamReader.describe`
 */
export async function readOffering(
  deps: OfferingDeps,
  server: UpstreamServer,
  totalMs: number,
  described: (description: Description) => Promise<void> | void = () => {},
): Promise<Offering> {
  const endMs = deps.monotonic() + totalMs;
  const description = await deps.reader.describe(server);
  await described(description);
  const dropped = createDropReport();
  const readings: Reading[] = [];
  const failures: ListFailure[] = [];
  for (const kind of ITEM_KINDS) {
    const { isStateless, capabilities } = description;
    if (!isOffered(capabilities, kind)) {
      readings.push({ kind, items: [], cut: undefined, ...NO_HINTS });
      continue;
    }
    try {
      const reading = await readList(deps, { server, kind, isStateless, endMs }, dropped);
      if (reading.cut !== undefined) dropped.add(kind, "", reading.cut);
      readings.push(reading);
    } catch (error) {
      failures.push({ kind, error });
    }
  }
  return { description, readings, failures, dropped: dropped.list() };
}

/** @param before what is still shown of lists that could not be read */
export function offerOf(
  { description, readings, failures, dropped }: Offering,
  before: Offer | undefined,
  nowMs: number,
): Offer {
  const { revision, capabilities, serverInfo, instructions } = description;
  const failed = failures.map(({ kind }) => kind);
  const hints = failed.length === 0 || before === undefined ? readings : [...readings, before];
  const kept = before?.dropped.filter(({ kind }) => failed.includes(kind)) ?? [];
  return {
    revision,
    capabilities,
    serverInfo,
    instructions,
    ...strictest(hints),
    dropped: [...dropped.filter(({ kind }) => !failed.includes(kind)), ...kept],
    discoveredMs: nowMs,
  };
}

/** What is wrong with a server that answers; `undefined` when nothing is. */
export function problemOf({ readings, failures }: Offering): string | undefined {
  const [failure] = failures;
  if (failure !== undefined) {
    return `The list of ${PLURALS[failure.kind]} cannot be read: ${sentenceOf(failure.error)}`;
  }
  const reading = readings.find(({ cut }) => cut !== undefined);
  return reading && `The list of ${PLURALS[reading.kind]} was not read to its end: ${reading.cut}`;
}

/** One sentence that may be shown. */
export function sentenceOf(error: unknown): string {
  if (error instanceof GatewayError) return error.message;
  if (error instanceof ConnectionLost) return "The connection to the upstream server was lost";
  return "The gateway failed";
}

const PLURALS: Readonly<Record<ItemKind, string>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  template: "resource templates",
};

const NO_HINTS = { ttlMs: undefined, cacheScope: undefined };

/** The capability that announces a kind. */
const CAPABILITIES: Readonly<Record<ItemKind, string>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  template: "resources",
};

function isOffered(capabilities: Description["capabilities"], kind: ItemKind): boolean {
  return isObject(capabilities[CAPABILITIES[kind]]);
}

/** Kinds of which the server says when their lists change. */
export function announcedKinds(capabilities: Description["capabilities"]): readonly ItemKind[] {
  return ITEM_KINDS.filter((kind) => {
    const capability = capabilities[CAPABILITIES[kind]];
    return isObject(capability) && capability.listChanged === true;
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
