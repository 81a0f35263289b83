/**
 * All texts of one answer, filled with the same values and bounded together.
 *
 * @module
 */
import { parseText, type TextTemplate, type TextValues } from "../../catalog/text_template.ts";
import { LIMITS } from "../../domain/limits.ts";

export interface Texts {
  /** @throws {GatewayError} `invalid_params` when all texts together become too long */
  readonly filled: (text: string) => string;
}

export function createTexts(values: TextValues): Texts {
  let left: number = LIMITS.renderedChars;
  return {
    filled(text) {
      const made = templateOf(text).render(values, left);
      left -= made.length;
      return made;
    },
  };
}

/** Most have no places at all. */
function templateOf(text: string): TextTemplate {
  return text.includes("{{") ? parseText(text) : { render: () => text };
}
