/**
 * What the services of upstream and virtual servers have in common: records with a slug, changed by
 * those who see them, unless the config file declares them.
 *
 * @module
 */
import { maySee } from "../domain/access.ts";
import type { Principal } from "../domain/principal.ts";
import type { Audience } from "../domain/server.ts";
import { randomText } from "../platform/random.ts";
import {
  checkManaged,
  checkUndeclared,
  checkVersion,
  isConflict,
  notFound,
  type Precondition,
  slugTaken,
  untilWritten,
} from "./editing.ts";

/** What is kept of a record. */
interface Kept<T> {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly declared: boolean;
  readonly revision: number;
  readonly settings: T | undefined;
}

interface Named<T> {
  readonly name: string;
  readonly settings: T;
}

export interface Records<S, T> {
  /** @throws {GatewayError} `not_found`, for hidden ones too */
  readonly find: (slugOrId: string, principal: Principal) => S;
  /** As it is after all that was written. @throws {GatewayError} `not_found` */
  readonly shelved: (id: string) => Promise<S>;
  /** Gives the id. @throws {GatewayError} `conflict` when the slug is taken */
  readonly add: (slug: string, record: Named<T>) => Promise<string>;
  /** @throws {GatewayError} `not_found`, `declared`, `precondition_failed`; as `decide` */
  readonly change: (
    slugOrId: string,
    isExpected: Precondition,
    principal: Principal,
    decide: (row: Kept<T> & { readonly settings: T }) => Named<T> | Promise<Named<T>>,
  ) => Promise<S>;
  /** @throws as `change` */
  readonly remove: (
    slugOrId: string,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<void>;
}

export interface RecordsDeps<S, T> {
  /** For messages: what it is. */
  readonly noun: string;
  readonly table: {
    readonly find: (id: string) => Promise<Kept<T> | undefined>;
    readonly create: (
      row: { id: string; slug: string; name: string; declared: false; settings: T },
    ) => Promise<unknown>;
    readonly update: (id: string, revision: number, change: Named<T>) => Promise<unknown>;
    readonly remove: (id: string, revision: number) => Promise<boolean>;
  };
  readonly shelf: (slugOrId: string) => S | undefined;
  readonly refresh: () => Promise<void>;
}

/** 96 random bits. */
const ID_BYTES = 12;

export function createRecords<
  S extends { readonly server: Audience & { readonly id: string } },
  T extends Audience,
>({ noun, table, shelf, refresh }: RecordsDeps<S, T>): Records<S, T> {
  function find(slugOrId: string, principal: Principal): S {
    const found = shelf(slugOrId);
    if (found === undefined || !maySee(principal, found.server)) throw notFound(noun);
    return found;
  }

  async function shelved(id: string): Promise<S> {
    await refresh();
    const found = shelf(id);
    if (found === undefined) throw notFound(noun);
    return found;
  }

  /** The row to be changed, which may not be what was found any more. */
  async function current(id: string, isExpected: Precondition, principal: Principal) {
    const row = await table.find(id);
    if (row === undefined) throw notFound(noun);
    checkUndeclared(row);
    const { settings } = row;
    if (settings === undefined || !maySee(principal, settings)) throw notFound(noun);
    checkManaged(principal, settings);
    checkVersion(isExpected, row);
    return { ...row, settings };
  }

  return {
    find,
    shelved,
    async add(slug, { name, settings }) {
      const id = randomText(ID_BYTES);
      try {
        await table.create({ id, slug, name, declared: false, settings });
      } catch (error) {
        throw isConflict(error) ? slugTaken(slug) : error;
      }
      return id;
    },
    async change(slugOrId, isExpected, principal, decide) {
      const { id } = find(slugOrId, principal).server;
      return await untilWritten(async () => {
        const row = await current(id, isExpected, principal);
        await table.update(id, row.revision, await decide(row));
        return await shelved(id);
      });
    },
    async remove(slugOrId, isExpected, principal) {
      const { id } = find(slugOrId, principal).server;
      await untilWritten(async () => {
        const row = await current(id, isExpected, principal);
        if (!await table.remove(id, row.revision)) throw notFound(noun);
        await refresh();
      });
    },
  };
}
