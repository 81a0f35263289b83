/**
 * An outlet that also tells the audit how its call has ended.
 *
 * @module
 */
import type { CallRecord } from "../call_audit.ts";
import type { Outlet } from "./outlet.ts";

/** @param record of the one call that speaks through it; without one it is the outlet itself */
export function recordedOutlet(outlet: Outlet, record: CallRecord | undefined): Outlet {
  if (record === undefined) return outlet;
  return {
    ...outlet,
    say(said) {
      const answer = said.events.find(({ isResponse }) => isResponse);
      if (answer !== undefined) record.answered(answer.message);
      else if (said.done > 0) record.cancelled();
      return outlet.say(said);
    },
  };
}
