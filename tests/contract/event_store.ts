/**
 * What every event store has to keep to, whatever it is made of.
 *
 * @module
 */
import { bounding } from "./event_store/bounds.ts";
import { casesOf, type OpenStore } from "./event_store/case.ts";
import { following } from "./event_store/follow.ts";
import { expiring, forgetting, sweeping } from "./event_store/forget.ts";
import { ordering, replaying } from "./event_store/order.ts";
import { running } from "./event_store/run.ts";
import { weakSpots } from "./event_store/weak_spots.ts";

/**
 * @param openStore gives an empty store, which is closed at the end of each test
 * @param options `sweeps`: whether a stream that is over its time is there until it is swept
 */
export function eventStoreContract(
  name: string,
  openStore: OpenStore,
  { sweeps = true }: { readonly sweeps?: boolean } = {},
): void {
  const it = casesOf(name, openStore);
  ordering(it);
  replaying(it);
  bounding(it);
  following(it);
  running(it);
  expiring(it);
  forgetting(it);
  if (sweeps) sweeping(it, openStore);
  weakSpots(it);
}
