/**
 * Items: the tools, prompts, resources and resource templates that upstream servers offer, as the
 * catalog keeps them.
 *
 * @module
 */
import type { Audience } from "./server.ts";

export type ItemKind = "tool" | "prompt" | "resource" | "template";

export const ITEM_KINDS: readonly ItemKind[] = ["tool", "prompt", "resource", "template"];

/** Whether items of this kind are known by a name; the others are by a URI. */
export function isNamed(kind: ItemKind): boolean {
  return kind === "tool" || kind === "prompt";
}

export interface Item {
  /** Random, kept for ever. */
  readonly id: string;
  readonly kind: ItemKind;
  readonly upstreamId: string;
  /** Name, URI or URI template as the upstream server knows it. */
  readonly upstreamName: string;
  /**
   * Given at first discovery and kept: the name in `/mcp`; of a resource or template the alias that
   * it has where an endpoint shows another server's with the same URI, found before.
   */
  readonly exposedName: string;
  /** When it was first discovered. */
  readonly foundMs: number;
  /** Place among the items of its server and kind. */
  readonly seq: number;
  /** As discovered: JSON text of one object, on one line. */
  readonly definition: string;
  /** Set by administrators; `undefined` leaves what the server says. */
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly enabled: boolean;
  /** When discovery first did not find it any more; `undefined` while it is there. */
  readonly missingSinceMs: number | undefined;
  /** Who of those who see its server sees it; `undefined` for all of them. */
  readonly audience: Audience | undefined;
}

/** What an upstream server said about itself when it was last discovered. */
export interface Offer {
  /** Revision that it was discovered with. */
  readonly revision: string;
  /** Its capabilities as it announced them. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>> | undefined;
  readonly instructions: string | undefined;
  /** Shortest of its lists' `ttlMs` and strictest `cacheScope`; `undefined` when it gave none. */
  readonly ttlMs: number | undefined;
  readonly cacheScope: "public" | "private" | undefined;
  /** Items that were left out, each with the reason. At most 100. */
  readonly dropped: readonly Dropped[];
  readonly discoveredMs: number;
}

export interface Dropped {
  readonly kind: ItemKind;
  /** As far as it could be read, cut to 200 characters. */
  readonly name: string;
  readonly reason: string;
}
