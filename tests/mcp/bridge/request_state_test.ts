/**
 * `requestState` is good for the request that it was made for, until it expires.
 *
 * @module
 * @see security.md, SESS-16
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createRequestStates } from "../../../src/mcp/bridge/request_state.ts";
import { ProtocolError } from "../../../src/domain/errors.ts";
import type { UpstreamCall } from "../../../src/mcp/stateless_calls.ts";
import { createSecretBox } from "../../../src/platform/secret_box.ts";
import { fakeClock } from "../../support/fake_clock.ts";
import type { Message, ModernCall } from "../../support/modern.ts";
import { aStdioServer } from "../../support/stdio.ts";
import { aCall, aPrincipal, type CallChanges } from "../../support/upstream_calls.ts";

const LIFE_MS = 60_000;
const PARAMS: Message = { name: "t", arguments: { a: 1, b: [{ c: 1, d: 2 }] } };

function open() {
  const clock = fakeClock();
  const box = createSecretBox("a secret of more than 32 characters!", "request states");
  const states = createRequestStates({ box, now: clock.now });
  const first = aCall({ message: { params: PARAMS } });
  const expiresMs = clock.now() + LIFE_MS;
  const state = states.seal(first, { parked: "p", expiresMs });
  /** The request that brings the state back, with changes. */
  const retry = (message: ModernCall = {}, changes: CallChanges = {}): UpstreamCall =>
    aCall({
      server: first.server,
      ...changes,
      message: {
        idText: "2",
        ...message,
        params: { ...PARAMS, requestState: state, inputResponses: {}, ...message.params },
      },
    });
  return { clock, states, state, retry, expiresMs };
}

for (
  const [what, message] of Object.entries<ModernCall>({
    "as it was": {},
    "with other metadata": { meta: { progressToken: 5 } },
    "with its members in another order": {
      params: { arguments: { b: [{ d: 2, c: 1 }], a: 1 }, name: "t" },
    },
  })
) {
  Deno.test(`a request ${what} opens its state`, () => {
    const { states, retry, expiresMs } = open();
    assertEquals(states.open(retry(message)), { parked: "p", expiresMs });
  });
}

const other = aStdioServer({ slug: "other" });

for (
  const [what, message, changes] of [
    ["another argument", { params: { arguments: { a: 2, b: [{ c: 1, d: 2 }] } } }, {}],
    ["an argument more", { params: { arguments: { a: 1, b: [{ c: 1, d: 2 }], e: 1 } } }, {}],
    ["arguments in another order", { params: { arguments: { a: 1, b: [{ c: 2, d: 1 }] } } }, {}],
    ["another tool", { params: { name: "u" } }, {}],
    ["another method", { method: "prompts/get" }, {}],
    ["another subject", {}, { principal: aPrincipal("b@example.com") }],
    ["another kind of credential", {}, {
      principal: { ...aPrincipal("a@example.com"), kind: "anonymous" },
    }],
    ["another server", {}, { server: other }],
    ["another endpoint", {}, {
      endpoint: { kind: "verbatim", key: "elsewhere", server: other, narrowed: undefined },
    }],
    ["no text as state", { params: { requestState: null } }, {}],
    ["an empty state", { params: { requestState: "" } }, {}],
    ["a state that is too long", { params: { requestState: "A".repeat(5_000) } }, {}],
    ["characters that are none of ours", { params: { requestState: "a+b/c=" } }, {}],
  ] as [string, ModernCall, CallChanges][]
) {
  Deno.test(`SESS-16: a request with ${what} does not open the state`, () => {
    const { states, retry } = open();
    assert.throws(() => states.open(retry(message, changes)), isRefusal);
  });
}

Deno.test("SESS-16: each character of a state counts", () => {
  const { states, state, retry } = open();
  for (let i = 0; i < state.length; i++) {
    const requestState = `${state.slice(0, i)}${state[i] === "A" ? "B" : "A"}${state.slice(i + 1)}`;
    assert.throws(() => states.open(retry({ params: { requestState } })), isRefusal, `${i}`);
  }
});

Deno.test("SESS-16: a state does not open when its time is over", () => {
  const { states, clock, retry } = open();
  clock.advance(LIFE_MS);
  assert.throws(() => states.open(retry()), isRefusal);
});

Deno.test("SESS-16: a state of another installation does not open", () => {
  const { clock, retry } = open();
  const box = createSecretBox("another secret of over 32 characters", "request states");
  const states = createRequestStates({ box, now: clock.now });
  assert.throws(() => states.open(retry()), isRefusal);
});

function isRefusal(error: unknown): boolean {
  return error instanceof ProtocolError && error.rpcCode === -32602 && error.httpStatus === 400;
}
