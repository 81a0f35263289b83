/**
 * What most upstream servers of tests have in common, and no test is about.
 *
 * @module
 */
export const PLAIN_UPSTREAM = {
  title: undefined,
  visibility: "public",
  team: undefined,
  owner: undefined,
  timeoutMs: undefined,
  passthroughHeaders: [],
  enabled: true,
  expose: true,
  declared: true,
  tags: [],
} as const;
