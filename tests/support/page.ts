/**
 * A page of the documentation, read as what a reader pastes and what he is told to see.
 *
 * @module
 */
import { pathOf } from "./spawn.ts";

export interface Step {
  /** Commands of a shell. */
  readonly commands: string;
  /** What the page says they print; `undefined` where it says nothing. */
  readonly shown: string | undefined;
}

/** The steps below a heading, in order. */
export async function stepsOf(page: string, heading: string): Promise<readonly Step[]> {
  const text = await Deno.readTextFile(pathOf(page));
  const behind = text.split(`\n## ${heading}\n`)[1];
  if (behind === undefined) throw new Error(`"${page}" has no heading "${heading}"`);
  const section = behind.split("\n## ")[0]!;
  const steps: { commands: string; shown: string | undefined }[] = [];
  for (const [, language, block] of section.matchAll(/^```(\w*)\n([^]*?)^```$/gm)) {
    if (language === "sh") steps.push({ commands: block!, shown: undefined });
    else if (language === "") steps.at(-1)!.shown = block!;
  }
  return steps;
}
