/**
 * What one check may still cost. One unit is about 100 ns: the slowest thing that a schema can ask
 * for, done once.
 *
 * @module
 */
export interface Meter {
  /** Begins a check. */
  readonly start: (units: number) => void;
  /** @throws {Unchecked} when too little is left */
  readonly spend: (units: number) => void;
  readonly mayAfford: (units: number) => boolean;
}

/** The check ends without a finding. */
export class Unchecked extends Error {
  override readonly name = "Unchecked";
}

export function createMeter(): Meter {
  let left = 0;
  return {
    start(units) {
      left = units;
    },
    spend(units) {
      left -= units;
      if (left < 0) throw new Unchecked("Checking these arguments takes too long");
    },
    mayAfford: (units) => units <= left,
  };
}
