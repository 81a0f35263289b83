/**
 * First in, first out, at any length: `shift` of a long array moves all that is left.
 *
 * Plain functions on a plain object, because every stream has one.
 *
 * @module
 */
export interface Queue<T> {
  /** What has been taken leaves `undefined` until the array is cut. */
  items: (T | undefined)[];
  head: number;
}

/** Below this many, cutting costs more than it frees. */
const CUT_MIN = 16;

export function newQueue<T>(): Queue<T> {
  return { items: [], head: 0 };
}

export function lengthOf(queue: Queue<unknown>): number {
  return queue.items.length - queue.head;
}

/** @param index 0 is the oldest */
export function at<T>(queue: Queue<T>, index: number): T | undefined {
  return queue.items[queue.head + index];
}

export function takeOldest<T>(queue: Queue<T>): T | undefined {
  const { items, head } = queue;
  if (head === items.length) return undefined;
  const oldest = items[head];
  items[head] = undefined;
  queue.head = head + 1;
  if (queue.head >= CUT_MIN && queue.head * 2 >= items.length) {
    items.copyWithin(0, queue.head);
    items.length -= queue.head;
    queue.head = 0;
  }
  return oldest;
}
