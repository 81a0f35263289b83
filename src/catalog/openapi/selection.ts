/**
 * Which operations of a document are imported.
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */
import { globMatcher } from "../../domain/glob.ts";

/** All that is given has to fit; of a list, one. */
export interface Selection {
  readonly tags?: readonly string[] | undefined;
  /** As in the document; `*` for any run of characters. */
  readonly paths?: readonly string[] | undefined;
  /** In upper or lower case. */
  readonly methods?: readonly string[] | undefined;
}

export interface Selected {
  readonly tags: readonly string[];
  readonly path: string;
  readonly method: string;
}

/** What is excluded is not imported, whatever else it is. */
export function createSelector(
  include: Selection | undefined,
  exclude: Selection | undefined,
): (operation: Selected) => boolean {
  const isIncluded = include === undefined ? () => true : matcher(include);
  const isExcluded = exclude === undefined ? () => false : matcher(exclude);
  return (operation) => isIncluded(operation) && !isExcluded(operation);
}

function matcher({ tags, paths, methods }: Selection): (operation: Selected) => boolean {
  const isPath = paths === undefined ? () => true : globMatcher(paths);
  const verbs = methods?.map((method) => method.toUpperCase());
  return (operation) =>
    isPath(operation.path) && (verbs?.includes(operation.method) ?? true) &&
    (tags?.some((tag) => operation.tags.includes(tag)) ?? true);
}
