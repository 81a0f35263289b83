/**
 * JSON values as texts that are equal when the values are: for comparing many with many.
 *
 * @module
 */

/**
 * Members in the order of their names, numbers as they were read.
 *
 * @param spend told of each value and what it costs; may throw to end it
 */
export function canonicalText(value: unknown, spend: (units: number) => void = () => {}): string {
  if (typeof value === "string") {
    spend(UNITS_PER_VALUE + value.length / CHARS_PER_UNIT);
    return JSON.stringify(value);
  }
  spend(UNITS_PER_VALUE);
  if (typeof value !== "object" || value === null) return String(value);
  let text = "";
  if (Array.isArray(value)) {
    for (const each of value) text += `,${canonicalText(each, spend)}`;
    return `[${text}]`;
  }
  const members = Object.entries(value);
  spend(UNITS_PER_OBJECT + members.length);
  if (members.length > 1) members.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, each] of members) {
    text += `,${JSON.stringify(name)}:${canonicalText(each, spend)}`;
  }
  return `{${text}}`;
}

const UNITS_PER_VALUE = 2;
/** Its members are put into order. */
const UNITS_PER_OBJECT = 8;
const CHARS_PER_UNIT = 16;
