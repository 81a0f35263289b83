/**
 * Resources that several listen for in one session: subscribed to once, for as long as anybody does.
 *
 * @module
 */
export interface Subscribers {
  /** @returns those of which will be heard */
  readonly add: (uris: readonly string[]) => Promise<readonly string[]>;
  /** Only those that `add` gave. */
  readonly remove: (uris: readonly string[]) => void;
}

export interface SubscribersDeps {
  /** Whether the server agrees. */
  readonly subscribe: (uri: string) => Promise<boolean>;
  readonly unsubscribe: (uri: string) => Promise<void>;
}

interface Subscription {
  count: number;
  /** What was said to the server last, and whether it agrees. */
  agreed: Promise<boolean>;
}

/** Requests that are on their way at once. */
const AT_ONCE = 16;

/** @param urisMax of the session; more are not subscribed to */
export function createSubscribers(
  { subscribe, unsubscribe }: SubscribersDeps,
  { urisMax }: { readonly urisMax: number },
): Subscribers {
  const known = new Map<string, Subscription>();

  async function addOne(uri: string): Promise<readonly string[]> {
    const one = known.get(uri) ?? { count: 0, agreed: Promise.resolve(false) };
    if (!known.has(uri)) {
      if (known.size >= urisMax) return [];
      known.set(uri, one);
    }
    if (one.count++ === 0) {
      // Behind what is still to be taken back.
      one.agreed = one.agreed.then(() => subscribe(uri)).catch(() => false);
    }
    if (await one.agreed) return [uri];
    if (--one.count === 0) known.delete(uri);
    return [];
  }

  return {
    async add(uris) {
      const agreed: string[] = [];
      for (let i = 0; i < uris.length; i += AT_ONCE) {
        const some = await Promise.all(uris.slice(i, i + AT_ONCE).map(addOne));
        agreed.push(...some.flat());
      }
      return agreed;
    },
    remove(uris) {
      for (const uri of uris) {
        const one = known.get(uri);
        if (one === undefined || --one.count > 0) continue;
        one.agreed = one.agreed.then(() => unsubscribe(uri)).then(() => false).catch(() => false)
          .finally(() => {
            if (one.count === 0 && known.get(uri) === one) known.delete(uri);
          });
      }
    },
  };
}
