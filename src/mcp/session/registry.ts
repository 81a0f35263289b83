/**
 * The sessions in use on this replica: opened, loaded, saved, ended.
 *
 * The record in the directory is what counts; a copy here is at most a second old.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { GatewayError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Clock } from "../../platform/clock.ts";
import { randomText } from "../../platform/random.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import type { SessionDirectory, SessionKey } from "./directory.ts";
import { createRecords, type Records } from "./record.ts";
import {
  isOwnedBy,
  newSession,
  type Session,
  type SessionBase,
  SessionNotFound,
  type Upstream,
  type UpstreamState,
} from "./session.ts";

export interface SessionRegistry {
  /**
   * Opens a session and gives it with its id, which is told to the client only.
   * @throws {GatewayError} `rate_limited`
   */
  readonly open: (base: NewSession) => Promise<{ readonly id: string; readonly session: Session }>;
  /**
   * The session with this id, if it is this principal's on this endpoint.
   * @throws {SessionNotFound}
   */
  readonly find: (id: string, principal: Principal, server: string) => Session | Promise<Session>;
  /** The session with this key as the record says it now, whoever owns it. @throws {SessionNotFound} */
  readonly load: (key: SessionKey) => Promise<Session>;
  /** The copy of it that is here, whatever the record says. */
  readonly held: (key: SessionKey) => Session | undefined;
  /** All copies that are here. */
  readonly copies: () => readonly Session[];
  /** It has ended: nothing more is done for it here. */
  readonly drop: (key: SessionKey) => void;
  /**
   * Writes what changed about an upstream server, if nobody else has meanwhile.
   * @returns whether it was written; if not, the session now shows what another replica wrote
   * @throws {SessionNotFound}
   */
  readonly save: (
    session: Session,
    server: string,
    known: Upstream | undefined,
    state: UpstreamState,
  ) => Promise<boolean>;
  /** Whether it was there to be ended. */
  readonly end: (session: Session) => Promise<boolean>;
  /** All live sessions, read in portions. */
  readonly list: () => Promise<readonly LiveSession[]>;
  /**
   * Takes out the sessions that have run out, and notes those that are in use.
   * @param useOf `active` keeps a session alive, `held` only its copy here
   */
  readonly sweep: (
    useOf: (session: Session) => "active" | "held" | "none",
  ) => Promise<readonly Ended[]>;
}

/** What is left of a session: of one whose record cannot be read any more, its key. */
export type Ended = Pick<Session, "key" | "upstreams">;

export interface LiveSession {
  readonly key: SessionKey;
  readonly base: SessionBase;
  /** Wall clock, about. */
  readonly createdMs: number;
  readonly usedMs: number;
}

export type NewSession = Omit<SessionBase, "endMs">;

export interface RegistryDeps {
  readonly directory: SessionDirectory;
  readonly box: SecretBox;
  readonly clock: Clock;
  /** Told of a session that is over. Of a forged record there may be no base to tell. */
  readonly ended: (why: SessionEnd, base: SessionBase | undefined) => void;
}

/** By a message; because its time was over; because somebody else has written its record. */
export type SessionEnd = "closed" | "expired" | "forged";

export interface RegistryOptions {
  readonly idleMs: number;
  readonly maxMs: number;
  readonly perPrincipal: number;
}

/** A session as it lies in this process. */
interface Copy {
  readonly session: Session;
  loadedMs: number;
  touchedMs: number;
  loading: Promise<Copy> | undefined;
}

/** How long a record is taken to be as it was when it was read. */
export const COPY_MS = 1_000;
const FORGET_MS = 10_000;
const CHECK_MS = 30_000;
/** 192 random bits. */
const ID_BYTES = 24;
const ID_CHARS = ID_BYTES * 4 / 3;
const EXPIRED_AT_ONCE = 200;
const LISTED_AT_ONCE = 200;

export function createSessionRegistry(
  deps: RegistryDeps,
  options: RegistryOptions,
): SessionRegistry {
  const { directory, clock } = deps;
  const records = createRecords(deps.box);
  const copies = createCopies();

  function touch(copy: Copy, nowMs: number): void {
    if (nowMs - copy.touchedMs <= options.idleMs / TOUCHES_PER_IDLE) return;
    copy.touchedMs = nowMs;
    // One that fails is made up for by the next.
    directory.touch(copy.session.key).catch(() => {});
  }

  async function open(base: NewSession) {
    const id = randomText(ID_BYTES);
    const key = keyOf(id);
    const endMs = clock.now() + options.maxMs;
    const full: SessionBase = { ...base, endMs };
    const entry = {
      key,
      owner: records.ownerOf(base.subject),
      base: records.sealBase(key, full),
      endMs,
    };
    if (!await directory.create(entry, options.perPrincipal)) throw tooMany(options.perPrincipal);
    const session = newSession(key, full);
    const nowMs = clock.monotonic();
    copies.keep({ session, loadedMs: nowMs, touchedMs: nowMs, loading: undefined }, id);
    return { id, session };
  }

  function find(id: string, principal: Principal, server: string): Session | Promise<Session> {
    const copy = copies.get(id);
    const nowMs = clock.monotonic();
    const use = (known: Copy) => {
      // Only whom it belongs to keeps it alive.
      if (!isOwnedBy(known.session.base, principal, server)) throw new SessionNotFound();
      touch(known, nowMs);
      return known.session;
    };
    if (copy !== undefined && nowMs - copy.loadedMs < COPY_MS) return use(copy);
    if (id.length !== ID_CHARS) throw new SessionNotFound();
    const loading = copy?.loading ?? load(copy?.session.key ?? keyOf(id), id);
    if (copy !== undefined) copy.loading = loading;
    return loading.then(use);
  }

  /** @param id where it is known */
  async function load(key: SessionKey, id?: string): Promise<Copy> {
    const entry = await directory.find(key).finally(() => {
      const copy = copies.ofKey(key);
      if (copy !== undefined) copy.loading = undefined;
    });
    // Two requests may load a session at once: they must share what is known besides the record.
    const known = copies.ofKey(key);
    const session = entry && (known?.session ?? records.read(key, entry));
    if (entry === undefined || session === undefined || !records.update(session, entry)) {
      copies.forget(key)?.end.abort(new SessionNotFound());
      if (entry !== undefined) deps.ended("forged", session?.base);
      throw new SessionNotFound();
    }
    const copy = known ?? { session, loadedMs: 0, touchedMs: -Infinity, loading: undefined };
    copy.loadedMs = clock.monotonic();
    copies.keep(copy, id);
    return copy;
  }

  async function end({ key, base, end }: Session): Promise<boolean> {
    const wasThere = await directory.remove(key);
    copies.forget(key);
    end.abort(new SessionNotFound());
    if (wasThere) deps.ended("closed", base);
    return wasThere;
  }

  async function sweep(
    useOf: (session: Session) => "active" | "held" | "none",
  ): Promise<readonly Ended[]> {
    const nowMs = clock.monotonic();
    for (const copy of copies.list()) {
      const use = useOf(copy.session);
      if (use === "active") touch(copy, nowMs);
      else if (use === "none" && nowMs - copy.loadedMs > FORGET_MS) copies.forget(copy.session.key);
      // It may have ended elsewhere, and what is done for it here must end too.
      if (use !== "none" && nowMs - copy.loadedMs > CHECK_MS) {
        load(copy.session.key).catch(() => {});
      }
    }
    return await takeExpired(deps, copies, records);
  }

  return {
    open,
    find,
    load: async (key) => (await load(key)).session,
    held: (key) => copies.ofKey(key)?.session,
    copies: () => Array.from(copies.list(), ({ session }) => session),
    drop: (key) => copies.forget(key)?.end.abort(new SessionNotFound()),
    save: (...what) => save(deps, records, ...what),
    list: () => liveSessions(directory, records, options.maxMs),
    end,
    sweep,
  };
}

async function save(
  { directory }: RegistryDeps,
  records: Records,
  session: Session,
  server: string,
  known: Upstream | undefined,
  state: UpstreamState,
): Promise<boolean> {
  const sealed = records.sealField(session.key, server, state);
  const generation = known?.generation ?? 0;
  const field = await directory.swap(session.key, server, generation, sealed);
  if (field === undefined) throw new SessionNotFound();
  const isOurs = Buffer.compare(field.value, sealed) === 0;
  if (isOurs) session.upstreams.set(server, { generation: field.generation, state });
  else if (!records.update(session, { fields: new Map([[server, field]]) })) {
    throw new SessionNotFound();
  }
  return isOurs;
}

async function takeExpired(
  { directory, ended }: RegistryDeps,
  copies: Pick<Copies, "forget">,
  records: Records,
): Promise<readonly Ended[]> {
  const expired: Ended[] = [];
  for (const [key, entry] of await directory.takeExpired(EXPIRED_AT_ONCE)) {
    const session = copies.forget(key) ?? records.read(key, entry);
    session?.end.abort(new SessionNotFound());
    ended(session === undefined ? "forged" : "expired", session?.base);
    expired.push(session ?? { key, upstreams: new Map() });
  }
  return expired;
}

async function liveSessions(
  directory: SessionDirectory,
  records: Records,
  maxMs: number,
): Promise<readonly LiveSession[]> {
  const live: LiveSession[] = [];
  for (let after = "", isLast = false; !isLast;) {
    const page = await directory.page(after, LISTED_AT_ONCE);
    for (const { key, base: sealed, usedMs } of page) {
      const base = records.readBase(key, sealed);
      if (base === undefined) continue;
      live.push({ key, base, createdMs: base.endMs - maxMs, usedMs });
    }
    isLast = page.length < LISTED_AT_ONCE;
    after = page.at(-1)?.key ?? after;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return live;
}

/** The record of a session that is used is written this often at most. */
const TOUCHES_PER_IDLE = 20;

/** @param id whatever a client gave for one */
export function keyOf(id: string): SessionKey {
  return createHash("sha256").update(id).digest("base64url");
}

type Copies = ReturnType<typeof createCopies>;

function createCopies() {
  const byKey = new Map<SessionKey, Copy>();
  /** An id leads to its session without being hashed each time. */
  const byId = new Map<string, Copy>();
  const ids = new Map<SessionKey, string>();
  return {
    get: (id: string) => byId.get(id),
    ofKey: (key: SessionKey) => byKey.get(key),
    list: () => byKey.values(),
    keep(copy: Copy, id: string | undefined): void {
      const { key } = copy.session;
      byKey.set(key, copy);
      if (id === undefined) return;
      byId.set(id, copy);
      ids.set(key, id);
    },
    /** Gives the session if it was here. */
    forget(key: SessionKey): Session | undefined {
      const copy = byKey.get(key);
      byKey.delete(key);
      byId.delete(ids.get(key) ?? "");
      ids.delete(key);
      return copy?.session;
    },
  };
}

function tooMany(max: number): GatewayError {
  return new GatewayError(
    "rate_limited",
    `You have ${max} open sessions, which is the most allowed; end one first`,
  );
}
