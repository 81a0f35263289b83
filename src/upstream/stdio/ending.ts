/**
 * How a child process is ended: it is asked to, told to, and made to.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle", "Shutdown"
 */
import type { ChildProcess } from "../../platform/process.ts";
import type { Timer, Timers } from "../../platform/timers.ts";
import type { Ending } from "./exit.ts";

export interface End {
  /** Closes its input and, when that does not do it, signals it. Only the first call counts. */
  readonly politely: (ending: Ending) => void;
  readonly atOnce: (ending: Ending) => void;
  /** The same as `politely`, unless it ends by itself within a moment: that explains more. */
  readonly soon: (ending: Ending) => void;
  /** It has exited: nothing more is done about it. */
  readonly done: () => void;
  /** Why it ends; `undefined` when nobody has asked for it. */
  readonly ending: () => Ending | undefined;
}

/** From closing the input to SIGTERM, and from there to SIGKILL. */
const TERM_MS = 1_500;
const KILL_MS = 1_000;
const SOON_MS = 500;

export function createEnd(process: ChildProcess, timers: Timers): End {
  let ending: Ending | undefined;
  let isDone = false;
  let soon: Timer | undefined;
  let next: Timer | undefined;

  function politely(why: Ending): void {
    if (ending !== undefined || isDone) return;
    ending = why;
    process.closeInput();
    next = timers.after(TERM_MS, () => {
      process.kill("SIGTERM");
      next = timers.after(KILL_MS, () => process.kill("SIGKILL"));
    });
  }

  return {
    politely,
    atOnce(why) {
      if (isDone) return;
      ending ??= why;
      process.kill("SIGKILL");
    },
    soon(why) {
      if (ending === undefined && !isDone) soon ??= timers.after(SOON_MS, () => politely(why));
    },
    done() {
      isDone = true;
      soon?.cancel();
      next?.cancel();
    },
    ending: () => ending,
  };
}
