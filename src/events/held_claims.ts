/**
 * The claims that this replica holds.
 *
 * @module
 */
import type { Claim } from "./claims.ts";
import type { Presence } from "./presence.ts";

export interface HeldClaims {
  readonly get: (name: string) => Claim | undefined;
  /** @param release tells the others */
  readonly add: (
    name: string,
    fence: number,
    lost: () => void,
    release: () => Promise<unknown>,
  ) => Claim;
  /** Somebody else has it, or may have. */
  readonly lose: (name: string, claim: Claim) => void;
  readonly list: () => readonly (readonly [string, Claim])[];
}

/** They are lost with the presence of this replica, if not before. */
export function createHeldClaims(presence: Presence): HeldClaims {
  const held = new Map<string, { readonly claim: Claim; readonly lost: () => void }>();
  presence.onLost(() => {
    const all = [...held.values()];
    held.clear();
    for (const { lost } of all) lost();
  });
  return {
    get: (name) => held.get(name)?.claim,
    add(name, fence, lost, release) {
      const claim: Claim = {
        fence,
        isHeld: () => held.get(name)?.claim === claim && presence.isPresent(),
        async release() {
          if (held.get(name)?.claim !== claim) return;
          held.delete(name);
          await release();
        },
      };
      held.set(name, { claim, lost });
      return claim;
    },
    lose(name, claim) {
      const known = held.get(name);
      if (known?.claim !== claim) return;
      held.delete(name);
      known.lost();
    },
    list: () => [...held].map(([name, { claim }]) => [name, claim]),
  };
}
