/**
 * Claims of one process, or of replicas of a test that share a table.
 *
 * @module
 */
import type { Claims } from "./claims.ts";
import { createHeldClaims } from "./held_claims.ts";
import type { Presence, ReplicaId } from "./presence.ts";

/** Who holds what, and with which number it was taken last. */
export type ClaimTable = Map<string, { readonly holder: ReplicaId; readonly fence: number }>;

export function createMemoryClaims(
  table: ClaimTable,
  { presence }: { readonly presence: Presence },
  self: ReplicaId,
): Claims {
  const held = createHeldClaims(presence);

  function release(name: string): Promise<void> {
    const standing = table.get(name);
    if (standing?.holder === self) table.set(name, { ...standing, holder: "" });
    return Promise.resolve();
  }

  return {
    async take(name, lost) {
      const own = held.get(name);
      if (own?.isHeld()) return own;
      for (;;) {
        const standing = table.get(name);
        const { holder = "", fence = 0 } = standing ?? {};
        const isFree = holder === "" || holder === self || !await presence.isAlive(holder);
        if (!isFree) return holder;
        // Another one may have come first while this one asked.
        if (table.get(name) !== standing) continue;
        table.set(name, { holder: self, fence: fence + 1 });
        return held.add(name, fence + 1, lost, () => release(name));
      }
    },
    holder: (name) => Promise.resolve(table.get(name)?.holder || undefined),
    async close() {
      for (const [, claim] of held.list()) await claim.release();
    },
  };
}
