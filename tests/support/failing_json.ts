/**
 * For `--preload`: what is named so cannot be written as JSON. A mistake of the gateway's own, in
 * whichever handler answers with it.
 *
 * @module
 */
const { stringify } = JSON;

JSON.stringify = ((value: unknown, ...rest: []) => {
  const { name } = (value ?? {}) as { name?: unknown };
  if (name === "cannot be written") throw new TypeError("Made to fail");
  return stringify(value, ...rest);
}) as typeof JSON.stringify;
