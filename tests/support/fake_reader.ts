/**
 * Upstream servers as discovery sees them, without a network: a test says what each list is.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Description, Heard, Listed, Page, UpstreamReader } from "../../src/catalog/reader.ts";
import type { ItemKind } from "../../src/domain/item.ts";

/** One server. A list is the texts of its elements, or what answers to a cursor. */
export interface FakeOffer {
  readonly description?: Partial<Description>;
  readonly lists?: Partial<Record<ItemKind, readonly string[] | FakeList>>;
  /** Before anything is answered; may throw, or wait. */
  readonly before?: (what: string) => unknown;
}

export type FakeList = (cursor: string | undefined) => Page | undefined | Promise<Page | undefined>;

export interface FakeReader extends UpstreamReader {
  /** What was asked, as `describe alpha`, `tool alpha`, `tool alpha c2`, in order. */
  readonly asked: string[];
  /** What the servers offer, by name: may be changed at any time. */
  readonly offers: Map<string, FakeOffer>;
  /** Says what a server says on its stream. */
  readonly say: (name: string, kinds: readonly ItemKind[], why?: "said" | "missed") => void;
  /** Names of the servers that are listened to. */
  readonly watched: () => string[];
  readonly forgotten: string[];
}

export function createFakeReader(offers: Readonly<Record<string, FakeOffer>> = {}): FakeReader {
  const known = new Map(Object.entries(offers));
  const watches = new Set<{ readonly name: string; readonly heard: Heard }>();
  const asked: string[] = [];
  const forgotten: string[] = [];

  async function offerOf(name: string, what: string): Promise<FakeOffer> {
    asked.push(what);
    const offer = known.get(name) ?? {};
    await offer.before?.(what);
    return offer;
  }

  return {
    asked,
    offers: known,
    forgotten,
    watched: () => [...watches].map(({ name }) => name),
    say(name, kinds, why = "said") {
      for (const watch of watches) if (watch.name === name) watch.heard(kinds, why);
    },
    async describe({ name }) {
      const offer = await offerOf(name, `describe ${name}`);
      return { ...DESCRIPTION, ...offer.description };
    },
    async page({ name }, kind, cursor) {
      const offer = await offerOf(
        name,
        `${kind} ${name}${cursor === undefined ? "" : ` ${cursor}`}`,
      );
      const list = offer.lists?.[kind] ?? [];
      return typeof list === "function" ? await list(cursor) : aPage(list);
    },
    async ping({ name }) {
      await offerOf(name, `ping ${name}`);
    },
    watch({ name }, heard) {
      const watch = { name, heard };
      watches.add(watch);
      return { opened: Promise.resolve(), stop: () => void watches.delete(watch) };
    },
    forget({ name }) {
      forgotten.push(name);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

const DESCRIPTION: Description = {
  revision: "2025-11-25",
  isStateless: false,
  capabilities: {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true },
  },
  serverInfo: { name: "fake", version: "1.0.0" },
  instructions: undefined,
};

export function aPage(texts: readonly string[], members: Partial<Page> = {}): Page {
  const items: Listed[] = texts.map((text) => ({ text }));
  const nothing = { nextCursor: undefined, ttlMs: undefined, cacheScope: undefined };
  return { items, isCut: false, ...nothing, ...members };
}

/** JSON texts of items of one kind. */
export function aTool(name: string, more: object = {}): string {
  return JSON.stringify({ name, inputSchema: { type: "object" }, ...more });
}

export function aPrompt(name: string, more: object = {}): string {
  return JSON.stringify({ name, ...more });
}

export function aResource(uri: string, more: object = {}): string {
  return JSON.stringify({ uri, name: "a resource", ...more });
}

export function aTemplate(uriTemplate: string, more: object = {}): string {
  return JSON.stringify({ uriTemplate, name: "a template", ...more });
}

/** Lets everything go on that waits for nothing but its turn. */
export async function turnsPass(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
