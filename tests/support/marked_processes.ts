/**
 * Finds the processes of a test by a mark in their environment, which all that they start inherits,
 * whoever their parent is by then. On Linux only.
 *
 * @module
 */
import { until } from "./until.ts";

export interface Mark {
  /** For the `env` of an entry. */
  readonly env: Readonly<Record<string, string>>;
  /** Ids of processes that run; one that nobody has waited for does not. */
  readonly running: () => Promise<number[]>;
  /** Kills those of them that have not ended meanwhile. */
  readonly kill: (pids: readonly number[]) => void;
  /** Waits until so many run. */
  readonly count: (count: number, deadlineMs?: number) => Promise<void>;
}

export function newMark(): Mark {
  const value = crypto.randomUUID();
  const text = `SALLYPORT_TEST_MARK=${value}`;

  async function running(): Promise<number[]> {
    const found: number[] = [];
    for await (const { name } of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      // That of a process that is over reads as empty, or not at all.
      const env = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
      if (env.split("\0").includes(text)) found.push(Number(name));
    }
    return found;
  }

  return {
    env: { SALLYPORT_TEST_MARK: value },
    running,
    kill(pids) {
      for (const pid of pids) {
        try {
          Deno.kill(pid, "SIGKILL");
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    },
    async count(count, deadlineMs = 15_000) {
      let last = -1;
      await until(`${count} processes to run`, async () => {
        last = (await running()).length;
        return last === count;
      }, deadlineMs).catch((cause) => {
        throw new Error(`There are ${last} processes instead of ${count}`, { cause });
      });
    },
  };
}
