/**
 * Removes secrets from what is about to be written down: by the name of a field, and by the shape
 * of a value wherever it stands in a text.
 *
 * @module
 */
const SECRET_NAME =
  /authorization|cookie|secret|password|passwd|api[-_]?key|private[-_]?key|credential|token$/i;

/** JSON Web Tokens, our API tokens, and credentials behind a scheme name or inside a URL. */
const SECRET_SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, "[token]"],
  [/\bspt_[\w-]{8,}/g, "[token]"],
  [/\b(bearer|basic)\s+[\w\-.~+/=]{8,}/gi, "$1 [credential]"],
  [/(\/\/)[^/\s@]+@/g, "$1[credential]@"],
];

const DEPTH_MAX = 6;

/** A copy without secrets. Errors become their name, message and causes; stacks stay. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (value instanceof Error) return redactError(value, depth);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "[nested]";
  if (Array.isArray(value)) return value.map((entry) => redact(entry, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(value)) {
    copy[name] = SECRET_NAME.test(name) ? "[redacted]" : redact(entry, depth + 1);
  }
  return copy;
}

export function redactText(text: string): string {
  for (const [shape, replacement] of SECRET_SHAPES) text = text.replace(shape, replacement);
  return text;
}

function redactError(error: Error, depth: number): unknown {
  if (depth >= DEPTH_MAX) return redactText(error.message);
  return {
    name: error.name,
    message: redactText(error.message),
    ...(error.stack && { stack: redactText(error.stack) }),
    ...(error.cause !== undefined && { cause: redact(error.cause, depth + 1) }),
  };
}
