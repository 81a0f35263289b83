/**
 * Where the messages of one POST go when there is no session: to the client that waits, and nowhere
 * else. Nothing is kept to be resumed.
 *
 * @module
 */
import { LIMITS } from "../../domain/limits.ts";
import type { Outlet, Said, WholeAnswer } from "./outlet.ts";
import type { OutEvent, Reader } from "./reader.ts";

export interface DirectOutlet extends Outlet {
  /** The client's connection. When it is gone, the calls go on and are not heard. */
  readonly read: () => Promise<Reader>;
}

/** @param isWhole whether the answers must be a body of their own: nothing else is said then */
export function createDirectOutlet(requests: number, isWhole: boolean): DirectOutlet {
  let left = requests;
  let status = 200;
  let answers: Uint8Array[] = [];
  let queue: OutEvent[] = [];
  let queueBytes = 0;
  let isOpen = false;
  let isGone = false;
  let wake = () => {};
  let goOn = () => {};
  let settle!: (whole: WholeAnswer | undefined) => void;
  const whole = new Promise<WholeAnswer | undefined>((resolve) => settle = resolve);

  function open(): Promise<string> {
    if (!isOpen) {
      isOpen = true;
      put(answers);
      answers = [];
      settle(undefined);
    }
    return Promise.resolve("");
  }

  function put(messages: readonly Uint8Array[]): void {
    for (const data of messages) {
      queue.push({ id: undefined, data });
      queueBytes += data.length;
    }
    wake();
  }

  async function say({ events, status: given, done }: Said): Promise<boolean> {
    left -= done;
    const others = events.some(({ isResponse }) => !isResponse);
    if (!isOpen && (isWhole || !others)) {
      answers.push(...events.filter((event) => event.isResponse).map(({ message }) => message));
      if (given !== 200) status = given;
      if (left === 0) settle({ status, bodies: answers });
      return true;
    }
    await open();
    if (isGone) return true;
    put(events.map(({ message }) => message));
    while (!isGone && queueBytes >= LIMITS.streamBufferBytes && left > 0) {
      await new Promise<void>((resolve) => goOn = resolve);
    }
    return true;
  }

  async function next(): Promise<readonly OutEvent[] | undefined> {
    while (queue.length === 0) {
      if (left === 0 || isGone) return undefined;
      await new Promise<void>((resolve) => wake = resolve);
    }
    const events = queue;
    queue = [];
    queueBytes = 0;
    goOn();
    return events;
  }

  function stop(): void {
    isGone = true;
    queue = [];
    wake();
    goOn();
  }

  const reader: Reader = {
    isOfCall: true,
    next,
    stop,
    seq: () => 0,
    hangUp: stop,
    room: () => Promise.resolve(),
  };
  return {
    whole,
    open,
    say,
    hasStream: () => false,
    mark() {},
    keep() {},
    giveUp: stop,
    streamId: () => undefined,
    attached() {},
    poll: () => Promise.resolve(),
    pollMs: () => undefined,
    read: () => open().then(() => reader),
  };
}
