/**
 * Servers behind the gateway whose every word carries the mark of whom it is for, and who note when
 * one session, or one request, has the marks of two.
 *
 * @module
 */
import { type Json, type Message } from "../support/modern.ts";
import type { Handle, Line, Offer, Seen, Stand } from "../support/shelf_server.ts";
import { aResource, aTemplate, aTool } from "../support/shelf_world.ts";

export const MARK = /mark-[0-9a-f]{24}/g;

/** The time that a call takes that is to be cancelled. */
const SLOW_MS = 2_000;
const STEP_MS = 5;
const STEPS = 3;

export const SHARED_OFFER: Partial<Offer> = {
  tools: ["echo", "steps", "ask", "slow", "aside", "touch"].map((name) => aTool(name)),
  prompts: [{ name: "prompt", arguments: [{ name: "mark" }] }],
  resources: [aResource("mark://nobody")],
  templates: [aTemplate("mark://{mark}")],
};

/** @param mixed is told of every request in which two principals meet */
export function playMarked(stand: Stand, mixed: (what: string) => void): void {
  const owners = new Map<string, string>();

  /** The mark of a request, which is that of all others of its session. */
  function markIn({ body, session, method }: Seen): string {
    const marks = new Set(body.match(MARK));
    const owner = session === undefined ? undefined : owners.get(session);
    if (owner !== undefined) marks.add(owner);
    if (marks.size > 1) mixed(`${stand.name} ${method}: ${[...marks].join(" and ")}`);
    const [mark = "nobody"] = marks;
    if (session !== undefined && marks.size > 0) owners.set(session, mark);
    // Nobody looks at them, and there are many.
    stand.requests.length = 0;
    return mark;
  }

  const marked = (answer: (mark: string) => Message): Handle => (seen) => answer(markIn(seen));

  stand.on("tools/call", (seen, line) => called(stand, seen, line, markIn(seen)));
  stand.on("tools/list", marked((mark) => ({ tools: [aTool("echo", { description: mark })] })));
  stand.on("resources/read", marked((mark) => ({ contents: [{ uri: "mark://x", text: mark }] })));
  stand.on(
    "prompts/get",
    marked((mark) => ({ messages: [{ role: "user", content: textOf(mark) }] })),
  );
  stand.on("completion/complete", marked((mark) => ({ completion: { values: [mark] } })));
}

async function called(stand: Stand, seen: Seen, line: Line, mark: string): Promise<Json> {
  const { name, _meta, arguments: args } = seen.params as { [name: string]: Message };
  switch (String(name)) {
    case "steps":
      for (let progress = 1; progress <= STEPS; progress++) {
        const progressToken = _meta!.progressToken!;
        line.notify("notifications/progress", { progressToken, progress, message: mark });
        await pause(STEP_MS);
      }
      break;
    case "ask":
      return await asked(seen, line, mark);
    case "slow":
      await Promise.race([line.left, pause(SLOW_MS)]);
      break;
    case "aside":
      stand.sayIn(seen.session, "notifications/message", { level: "info", data: args! });
      break;
    case "touch":
      stand.sayIn(seen.session, "notifications/resources/updated", { uri: `mark://${mark}` });
  }
  return said(mark);
}

/** Asks with the mark, and says what it was told. */
async function asked(seen: Seen, line: Line, mark: string): Promise<Json> {
  const params = { messages: [{ role: "user", content: textOf(mark) }], maxTokens: 1 };
  const question = { method: "sampling/createMessage", params };
  if (!seen.isModern) {
    // Everybody's question has the same id.
    return said(JSON.stringify(await line.ask(1, question.method, question.params)));
  }
  const { requestState, inputResponses } = seen.params;
  if (inputResponses === undefined) {
    return { resultType: "input_required", inputRequests: { q: question }, requestState: mark };
  }
  return said(`${JSON.stringify(inputResponses)} ${requestState}`);
}

function said(text: string): Message {
  return { content: [textOf(text)] };
}

function textOf(text: string): Message {
  return { type: "text", text };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
