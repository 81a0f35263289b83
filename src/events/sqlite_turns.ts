/**
 * Jobs for SQLite: done in the order in which they were asked for, at the end of a turn of the
 * event loop, in one transaction, and answered once that is committed.
 *
 * So an answer never speaks of what may yet be lost, and nobody has to care for what is half done.
 *
 * @module
 */
import type { Sqlite } from "../storage/sqlite.ts";

/** @param told is called with what `work` gave, in order, before the promise resolves */
export type Submit = <T>(work: () => T, told?: (value: T) => void) => Promise<T>;

export interface TurnEnd<T> {
  /** After the last job, in the transaction. */
  readonly finish: () => T;
  /** After the commit, with what `finish` gave. */
  readonly committed: (value: T) => void;
  /** The file is what it was before the turn; what is known beside it is not. */
  readonly undo: () => void;
}

interface Job {
  /** Perhaps twice, when it had to be undone. */
  readonly run: () => void;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export function createTurns<E>(db: Sqlite, { finish, committed, undo }: TurnEnd<E>): Submit {
  let turn: Job[] | undefined;

  function newTurn(): Job[] {
    const jobs: Job[] = [];
    let isAgain = false;
    db.write(() => {
      if (turn === jobs) turn = undefined;
      if (isAgain) undo();
      isAgain = true;
      for (const { run } of jobs) run();
      return finish();
    }).then(
      (value) => {
        for (const { done } of jobs) done();
        committed(value);
      },
      (error) => {
        undo();
        for (const { failed } of jobs) failed(error);
      },
    );
    return jobs;
  }

  return <T>(work: () => T, told?: (value: T) => void) =>
    new Promise<T>((resolve, failed) => {
      let value: T;
      turn ??= newTurn();
      turn.push({
        run: () => void (value = work()),
        done() {
          told?.(value);
          resolve(value);
        },
        failed,
      });
    });
}
