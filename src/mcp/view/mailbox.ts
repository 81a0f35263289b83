/**
 * Messages of several senders for one stream, in the order in which they came.
 *
 * @module
 */
export interface Mailbox {
  readonly put: (message: Uint8Array) => void;
  /** Resolves when a sender may go on: the receiver has taken what there was. */
  readonly hasRoom: () => Promise<void>;
  /** What is there, as soon as there is something; `undefined` after the end. */
  readonly take: () => Promise<readonly Uint8Array[] | undefined>;
  /** Nothing more is put in after this. */
  readonly end: (last: Uint8Array | undefined) => void;
  readonly ended: Promise<void>;
}

/** @param bytesMax that wait before senders do; one message may be larger */
export function createMailbox(bytesMax: number): Mailbox {
  let messages: Uint8Array[] = [];
  let bytes = 0;
  let isEnded = false;
  let arrived: (() => void) | undefined;
  let waiting: (() => void)[] = [];
  let settle!: () => void;
  const ended = new Promise<void>((resolve) => settle = resolve);

  function put(message: Uint8Array): void {
    if (isEnded) return;
    messages.push(message);
    bytes += message.length;
    arrived?.();
  }

  return {
    put,
    hasRoom() {
      if (bytes < bytesMax || isEnded) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    async take() {
      if (messages.length === 0 && !isEnded) {
        await new Promise<void>((resolve) => arrived = resolve);
        arrived = undefined;
      }
      if (messages.length === 0) return undefined;
      const batch = messages;
      messages = [];
      bytes = 0;
      for (const resume of waiting) resume();
      waiting = [];
      return batch;
    },
    end(last) {
      if (isEnded) return;
      if (last !== undefined) put(last);
      isEnded = true;
      for (const resume of waiting) resume();
      waiting = [];
      arrived?.();
      settle();
    },
    ended,
  };
}
