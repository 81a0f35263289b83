/**
 * What a server says on a channel outside of requests: to whoever listens, as GET is for over
 * Streamable HTTP. The newest of what is said while nobody does is kept.
 *
 * @module
 */
import { LIMITS } from "../../domain/limits.ts";
import type { Inbox } from "./inbox.ts";

export interface OwnStream {
  readonly put: (message: Uint8Array) => void;
  /** Begins to listen, with what was kept. False when somebody listens already. */
  readonly open: (inbox: Inbox) => boolean;
  readonly close: (inbox: Inbox) => void;
  readonly isOpen: () => boolean;
  /** The server says nothing more. */
  readonly end: () => void;
}

export function createOwnStream(): OwnStream {
  let listener: Inbox | undefined;
  let kept: Uint8Array[] = [];
  let bytes = 0;

  function keep(message: Uint8Array): void {
    kept.push(message);
    bytes += message.length;
    while (kept.length > LIMITS.channelUnheardMessages || bytes > LIMITS.channelUnheardBytes) {
      bytes -= kept.shift()!.length;
    }
  }

  return {
    put(message) {
      if (listener === undefined) keep(message);
      else listener.put(message);
    },
    open(inbox) {
      if (listener !== undefined) return false;
      listener = inbox;
      for (const message of kept) inbox.put(message);
      kept = [];
      bytes = 0;
      return true;
    },
    close(inbox) {
      if (listener === inbox) listener = undefined;
    },
    isOpen: () => listener !== undefined,
    end: () => listener?.end(),
  };
}
