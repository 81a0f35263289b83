/**
 * The templates of the reference system's prompts: Jinja, of which the places for arguments are the
 * same in Mustache, and nothing else is.
 *
 * @module
 * @see reference/behaviour.md, section 5.2
 */
import { LIMITS } from "../../domain/limits.ts";
import { NotTaken } from "./entry.ts";

export interface PromptText {
  readonly role: "user" | "assistant";
  /** Mustache. */
  readonly text: string;
}

/**
 * @returns messages, and the names of all places in them
 * @throws {NotTaken} for more than places
 */
export function promptOfJinja(
  template: string,
): { readonly messages: readonly PromptText[]; readonly names: ReadonlySet<string> } {
  if (template.length > LIMITS.renderedChars) throw new NotTaken("Its template is too long");
  const names = new Set<string>();
  const source = withoutComments(template);
  const text = source.replace(PLACE, (_, name: string) => {
    names.add(name);
    return `{{${name}}}`;
  });
  const flaw = flawOf(source, text, names);
  if (flaw !== undefined) throw new NotTaken(`Its template has ${flaw}, which Mustache has not`);
  return { messages: messagesOf(text), names };
}

const PLACE = /\{\{\s*([A-Za-z_]\w*)\s*\}\}/g;
const CONSTANTS = ["true", "false", "none", "True", "False", "None"];

/** Looks at each character once: an expression that looked for ends would begin again and again. */
function withoutComments(template: string): string {
  const kept: string[] = [];
  let at = 0;
  for (;;) {
    const start = template.indexOf("{#", at);
    if (start < 0) return kept.concat(template.slice(at)).join("");
    const end = template.indexOf("#}", start + 2);
    if (end < 0) throw new NotTaken("Its template has a comment without an end");
    kept.push(template.slice(at, start));
    at = end + 2;
  }
}

function flawOf(
  template: string,
  text: string,
  names: ReadonlySet<string>,
): string | undefined {
  if (template.includes("{%")) return 'control blocks, "{% … %}"';
  const rest = text.replace(/\{\{[A-Za-z_]\w*\}\}/g, "");
  // Three braces are a list of one in Jinja, and something else again in Mustache.
  if (rest.includes("{{") || template.includes("{{{")) {
    return 'filters or expressions, "{{ … | … }}"';
  }
  return CONSTANTS.some((name) => names.has(name)) ? "constants" : undefined;
}

const MARK = /^# (User|Assistant):/;

/**
 * A line that begins with `# User:` or `# Assistant:` begins a message. What follows on that line
 * belongs to it; the reference system loses that.
 */
function messagesOf(text: string): readonly PromptText[] {
  const messages: { role: PromptText["role"]; lines: string[] }[] = [{ role: "user", lines: [] }];
  for (const line of text.split(/\r?\n/)) {
    const mark = MARK.exec(line);
    if (mark === null) {
      messages.at(-1)!.lines.push(line);
      continue;
    }
    const role = mark[1] === "User" ? "user" : "assistant";
    messages.push({ role, lines: [line.slice(mark[0].length)] });
  }
  return messages.map(({ role, lines }) => ({ role, text: lines.join("\n").trim() }))
    .filter(({ text }) => text !== "");
}
