/**
 * Lists of a view for clients of the session era. In 2026-07-28 the result of a tool may be anything;
 * before, clients refuse a whole list for one schema that is not that of an object. It is left out
 * there, and the tool stays.
 *
 * @module
 * @see MCP 2025-11-25, Server Features, "Tools", "Output Schema"
 */
import type { Run } from "../../catalog/binding.ts";
import type { CallerView } from "../../catalog/views.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Pace } from "../../platform/pace.ts";
import { type Edit, edited } from "../edit.ts";
import { elementsOf, hasName, type Member, membersAt, nameOf, type Span } from "../json_scan.ts";
import { bytesOf, type ClientMessage, isObject } from "../message.ts";
import { withoutMembers } from "../removal.ts";
import { isText, within } from "../upstream_message.ts";
import type { ListAnswer, Lists } from "./lists.ts";

export interface SessionLists {
  /** See `Lists`. */
  readonly answer: (
    caller: CallerView,
    principal: Principal,
    message: ClientMessage,
  ) => Uint8Array | Promise<Uint8Array>;
}

/** The same lists, as these clients can read them. */
export function forSessions({ answer }: Lists, pace: Pace): SessionLists {
  const odd = new WeakMap<Run, boolean>();

  /** Whether one of the tools is odd; `undefined` while that is not known of all. */
  function hasOdd(tools: readonly Run[]): boolean | undefined {
    let isKnown = true;
    for (const run of tools) {
      const known = odd.get(run);
      if (known) return true;
      isKnown &&= known === false;
    }
    return isKnown ? false : undefined;
  }

  async function look(tools: readonly Run[]): Promise<boolean> {
    for (const run of tools) {
      if (odd.has(run)) continue;
      let isOdd = false;
      for (const { item } of run) {
        isOdd ||= hasOddSchema(item.definition);
        await pace();
      }
      odd.set(run, isOdd);
    }
    return hasOdd(tools)!;
  }

  return {
    answer(caller, principal, message) {
      const made = answer(caller, principal, message, "");
      const { tool } = caller.lists;
      const isOdd = message.method === "tools/list" ? hasOdd(tool) ?? look(tool) : false;
      if (!(made instanceof Promise || isOdd instanceof Promise)) return readable(made, isOdd);
      return Promise.all([made, isOdd]).then(([answer, isOdd]) => readable(answer, isOdd));
    },
  };
}

function readable(answer: ListAnswer, isOdd: boolean): Uint8Array {
  return isOdd ? withoutOddSchemas(answer) : bytesOf(answer);
}

function withoutOddSchemas(answer: ListAnswer): Uint8Array {
  const bytes = bytesOf(answer);
  const result = within(bytes, { start: 0, end: bytes.length, ...NO_NAME }, RESULT);
  return result === undefined ? bytes : edited(bytes, schemaEdits(bytes, toolsIn(bytes, result)));
}

function hasOddSchema(definition: string): boolean {
  if (!definition.includes('"outputSchema"')) return false;
  const { outputSchema }: { outputSchema?: unknown } = JSON.parse(definition);
  return outputSchema !== undefined && !(isObject(outputSchema) && outputSchema.type === "object");
}

/** Edits that take such schemas out of tools, in order. */
export function schemaEdits(bytes: Uint8Array, tools: readonly Span[]): readonly Edit[] {
  return tools.flatMap(({ start }) =>
    withoutMembers(
      membersAt(bytes, start),
      (member) => hasName(bytes, member, OUTPUT_SCHEMA) && !isOfObject(bytes, member),
    )
  );
}

/** Where the tools of a list stand. */
export function toolsIn(bytes: Uint8Array, result: Member): readonly Span[] {
  const tools = within(bytes, result, TOOLS);
  return tools === undefined || bytes[tools.start] !== ARRAY ? [] : elementsOf(bytes, tools.start);
}

function isOfObject(bytes: Uint8Array, schema: Member): boolean {
  const type = within(bytes, schema, TYPE);
  return type !== undefined && isText(bytes, type, OBJECT);
}

const ARRAY = 0x5b;
const NO_NAME = { nameStart: 0, nameEnd: 0 };
const RESULT = nameOf("result");
const TOOLS = nameOf("tools");
const OUTPUT_SCHEMA = nameOf("outputSchema");
const TYPE = nameOf("type");
const OBJECT = nameOf("object");
