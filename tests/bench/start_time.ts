/**
 * How long a process takes from its start to `Listening on`, when caches and data directory are warm.
 *
 * @module
 */

import { type ContenderName, startContender } from "./contenders.ts";
import { median } from "./figures.ts";
import type { Listener, Processes } from "./processes.ts";

/** Medians; undefined for what was not asked for. */
export interface StartTimes {
  readonly passThroughMs: number | undefined;
  readonly sallyportMs: number | undefined;
}

/** Starts each of the chosen ones a few times, the first time without counting it. */
export async function measureStarts(
  processes: Processes,
  names: readonly ContenderName[],
  stub: Listener,
  scratchDir: string,
  times: number,
): Promise<StartTimes> {
  const take = async (name: ContenderName) => {
    if (!names.includes(name)) return undefined;
    const startsMs: number[] = [];
    for (let turn = 0; turn <= times; turn++) {
      const { listener } = await startContender(processes, name, stub, `${scratchDir}/start`);
      startsMs.push(listener.startMs);
      await listener.stop();
    }
    return median(startsMs.slice(1));
  };
  return {
    passThroughMs: await take("pass-through"),
    sallyportMs: await take("sallyport"),
  };
}
