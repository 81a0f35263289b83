/**
 * Tables in Markdown, and figures in their cells.
 *
 * @module
 */

/** The first column is one of words, the others are of figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, index) => index === 0 ? "---" : "--:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

export const ratio = (value: number | undefined) =>
  value === undefined ? "–" : `${value.toFixed(2)}×`;

export const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);

export const milliseconds = (ms: number) => `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
