/**
 * The deadlines of one upstream exchange: until its first sign of life, between signs of life, and
 * in all. One timer serves the three.
 *
 * @module
 */
export interface DeadlineOptions {
  /** Until the first `touch`; `Infinity` for none. */
  readonly firstMs: number;
  /** Between two calls of `touch`; `Infinity` for none. */
  readonly silenceMs: number;
  readonly totalMs: number;
  /** Called once, with the span that ran out. */
  readonly expired: (spanMs: number) => void;
}

export interface Deadline {
  /** The upstream gave a sign of life. */
  readonly touch: () => void;
  readonly end: () => void;
}

/** Timers beyond this fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export function startDeadline(now: () => number, options: DeadlineOptions): Deadline {
  const startedMs = now();
  let touchedMs = startedMs;
  let spanMs = options.firstMs;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function arm(): void {
    const atMs = Math.min(touchedMs + spanMs, startedMs + options.totalMs);
    if (atMs === Infinity) return;
    timer = setTimeout(check, Math.min(Math.max(0, atMs - now()), TIMER_MS_MAX));
  }

  function check(): void {
    const nowMs = now();
    // A touch only notes the time; the timer finds out here that it has to wait longer.
    if (nowMs - startedMs >= options.totalMs) options.expired(options.totalMs);
    else if (nowMs - touchedMs >= spanMs) options.expired(spanMs);
    else arm();
  }

  arm();
  return {
    touch() {
      touchedMs = now();
      if (spanMs === options.silenceMs) return;
      spanMs = options.silenceMs;
      clearTimeout(timer);
      arm();
    },
    end: () => clearTimeout(timer),
  };
}
