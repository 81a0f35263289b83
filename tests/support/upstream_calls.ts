/**
 * Calls as the bridge gets them, correct unless a test says otherwise.
 *
 * @module
 */
import { decodeClientMessage } from "../../src/mcp/message.ts";
import type { UpstreamCall } from "../../src/mcp/stateless_calls.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { bytesOf } from "./bytes.ts";
import { modernBody, type ModernCall } from "./modern.ts";
import { aStdioServer } from "./stdio.ts";

export function aPrincipal(subject: string): Principal {
  return { ...ANONYMOUS, kind: "gateway_jwt", subject };
}

const SERVER = aStdioServer();

export interface CallChanges extends Partial<Omit<UpstreamCall, "message">> {
  readonly message?: ModernCall;
}

export function aCall({ message = {}, ...changes }: CallChanges = {}): UpstreamCall {
  const server = changes.server ?? SERVER;
  return {
    principal: aPrincipal("a@example.com"),
    endpoint: { kind: "verbatim", key: server.slug, server, narrowed: undefined },
    message: decodeClientMessage(bytesOf(modernBody(message))),
    headers: { version: undefined, method: undefined, name: undefined, params: [] },
    clientHeaders: new Map(),
    correlationId: "c-1",
    address: () => "192.0.2.1",
    abort: new AbortController(),
    server,
    ...changes,
  };
}
