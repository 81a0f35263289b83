/**
 * Audit of calls: none runs before its beginning is recorded, and each is recorded once more when
 * it has ended, whichever era, endpoint and form of answer it has.
 *
 * @module
 * @see security.md, AUD-01 to AUD-03, AUD-05
 */
import { audienceOf, maySeeItem } from "../domain/access.ts";
import { GatewayError, ProtocolError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Auditor, AuditRecord } from "../events/audit.ts";
import { factsOf } from "../events/audit_line.ts";
import { createWho, isAdminAccess } from "../events/audit_who.ts";
import { ALL, type View } from "../catalog/view.ts";
import type { Endpoint } from "./endpoint.ts";
import type { CallContext, Reply } from "./dispatch.ts";
import { ClientLeft } from "./failure.ts";
import { findMember, nameOf } from "./json_scan.ts";
import { bytesOf, type ClientMessage, isObject } from "./message.ts";

/** Who calls, from where, at which URL. */
export interface CallSource {
  readonly principal: Principal;
  readonly endpoint: Endpoint;
  readonly correlationId: string;
  /** IP address of the client. Asked for seldom: it is not for nothing. */
  readonly address: () => string;
}

/** A call that was recorded as begun. It ends once; what is said later is not heard. */
export interface CallRecord {
  readonly answered: (message: Uint8Array | string) => void;
  readonly failed: (error: unknown) => void;
  readonly cancelled: () => void;
}

export interface CallAudit {
  /**
   * Records that these requests begin, members of a batch one by one.
   * @returns what their ends are told to, `undefined` for requests that are no calls
   * @throws {GatewayError} `unavailable` when that cannot be kept: then none of them may run
   */
  readonly begin: (
    by: CallSource,
    requests: readonly ClientMessage[],
  ) => Promise<Records>;
}

/** One for each request, in their order. */
export type Records = readonly (CallRecord | undefined)[];

const CALLS: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
  "completion/complete",
]);

export function isCall({ kind, method }: ClientMessage): boolean {
  return kind === "request" && CALLS.has(method);
}

type Ending = Pick<AuditRecord, "outcome" | "code" | "bytes">;

/** @param now the clock for durations */
export function createCallAudit(
  { keep, note, hashOf }: Auditor,
  now: () => number,
): CallAudit {
  const whoOf = createWho(hashOf);

  /** What both records of a call say. */
  function sharedFacts(
    { principal, endpoint }: CallSource,
    message: ClientMessage,
    address: string,
  ): string {
    const { method } = message;
    const name = targetOf(message);
    const { upstream, access } = seenBy(principal, endpoint, method, name);
    const path = endpointPath(endpoint.key);
    return whoOf(principal) +
      factsOf({ address, method, name, endpoint: path, upstream, access });
  }

  function begun(id: string, facts: string): CallRecord {
    const startedMs = now();
    let isOver = false;
    const end = ({ outcome, code, bytes }: Ending) => {
      if (isOver) return;
      isOver = true;
      const ms = Math.round(now() - startedMs);
      note({ action: "call.end", id, outcome, code, ms, bytes, facts });
    };
    return {
      answered: (message) => end(outcomeOf(message)),
      failed: (error) => end({ outcome: "error", code: codeOf(error) }),
      cancelled: () => end({ outcome: "cancelled" }),
    };
  }

  return {
    async begin(by, requests) {
      const address = requests.some(isCall) ? by.address() : "";
      const starts: AuditRecord[] = [];
      const records = requests.map((message, i) => {
        if (!isCall(message)) return undefined;
        const { correlationId } = by;
        const id = requests.length === 1 ? correlationId : `${correlationId}.${i + 1}`;
        const facts = sharedFacts(by, message, address);
        starts.push({ action: "call.start", id, args: hashOf(argumentsOf(message)), facts });
        return begun(id, facts);
      });
      await keep(...starts);
      return records;
    },
  };
}

/** How records name an endpoint. */
export function endpointPath(key: string): string {
  return key === ALL ? "/mcp" : `/servers/${key}`;
}

/** The name or URI that a call is about. */
export function targetOf({ params }: ClientMessage): string | undefined {
  const of = isObject(params?.ref) ? params.ref : params;
  const name = of?.name ?? of?.uri;
  return typeof name === "string" ? name : undefined;
}

/** What stands behind the name, and whether the caller may know. */
function seenBy(
  principal: Principal,
  endpoint: Endpoint,
  method: string,
  name: string | undefined,
): Pick<AuditRecord, "upstream" | "access"> {
  const offered = endpoint.kind === "verbatim"
    ? { server: endpoint.server, item: EVERYBODY }
    : name === undefined
    ? undefined
    : bindingOf(endpoint.view, principal, method, name);
  if (offered === undefined) return { upstream: undefined, access: undefined };
  const access = !maySeeItem(principal, offered)
    ? "hidden"
    : isAdminAccess(principal, audienceOf(offered))
    ? "admin"
    : undefined;
  return { upstream: offered.server.slug, access };
}

const EVERYBODY = { audience: undefined } as const;

function bindingOf(view: View, principal: Principal, method: string, name: string) {
  if (method === "tools/call") return view.behind("tool", name);
  if (method === "prompts/get") return view.behind("prompt", name);
  if (method === "resources/read") {
    return view.resolve(principal, name)[0]?.binding ?? view.behind("resource", name);
  }
  return view.behind("prompt", name) ?? view.behind("template", name);
}

const PARAMS = nameOf("params");

/** Equal for equal arguments, but for those too long to be written out anew. */
function argumentsOf({ bytes, members, params }: ClientMessage): string | Uint8Array {
  if (bytes.length <= LIMITS.auditArgumentBytes) {
    return JSON.stringify(params?.arguments ?? params?.argument ?? null);
  }
  const member = findMember(bytes, members, PARAMS);
  return member === undefined ? "" : bytes.subarray(member.start, member.end);
}

const decoder = new TextDecoder();

function outcomeOf(message: Uint8Array | string): Ending {
  const bytes = bytesOf(message);
  const text = decoder.decode(bytes);
  const ok = { outcome: "ok", bytes: bytes.length } as const;
  // Only what may be a failure is read: what has `error` or `isError` as a name.
  if (!text.includes('rror"')) return ok;
  const { error, result } = JSON.parse(text);
  if (isObject(error)) {
    return { outcome: "error", code: Number(error.code), bytes: bytes.length };
  }
  const isError = isObject(result) && result.isError === true;
  return isError ? { ...ok, outcome: "tool_error", code: failureCodeOf(result) } : ok;
}

/** Of a failure of the gateway's own, which a result says to the model. */
function failureCodeOf({ _meta }: { readonly _meta?: unknown }): number | undefined {
  const failure = isObject(_meta) ? _meta["dev.sallyport/failure"] : undefined;
  return isObject(failure) && typeof failure.code === "number" ? failure.code : undefined;
}

function codeOf(error: unknown): string | number {
  if (error instanceof ProtocolError) return error.rpcCode;
  return error instanceof GatewayError ? error.code : "internal";
}

/**
 * Begins requests of the session era.
 * @param run what carries them out; whoever fails there has failed for all of them
 * @throws as `CallAudit.begin` and `run`
 */
export async function recordedCalls<T>(
  audit: CallAudit | undefined,
  by: CallSource,
  requests: readonly ClientMessage[],
  run: (records: Records) => T | Promise<T>,
): Promise<T> {
  const isRecorded = audit !== undefined && requests.some(isCall);
  const records = isRecorded ? await audit.begin(by, requests) : [];
  try {
    return await run(records);
  } catch (error) {
    for (const record of records) record?.failed(error);
    throw error;
  }
}

/** Records what becomes of a message of the stateless era. */
export async function recordedReply(
  audit: CallAudit,
  call: CallContext,
  serve: (call: CallContext) => Promise<Reply>,
): Promise<Reply> {
  const [record] = await audit.begin(call, [call.message]);
  if (record === undefined) return await serve(call);
  const { signal } = call.abort;
  const isLeft = () => signal.aborted && signal.reason instanceof ClientLeft;
  try {
    // It may have left before anything was sent.
    const reply = await serve(call);
    if (isLeft()) record.cancelled();
    else if (reply.kind === "message") record.answered(reply.body);
    return reply.kind === "stream" ? { ...reply, next: heard(reply.next) } : reply;
  } catch (error) {
    if (isLeft()) record.cancelled();
    else record.failed(error);
    throw error;
  }

  function heard(next: Extract<Reply, { kind: "stream" }>["next"]) {
    // A client that does not read any more asks for nothing: that it has left comes from elsewhere.
    signal.addEventListener("abort", () => isLeft() && record!.cancelled());
    let last: Uint8Array | undefined;
    return async () => {
      const batch = await next();
      if (batch === undefined) {
        if (last !== undefined) record!.answered(last);
      } else last = batch.at(-1) ?? last;
      return batch;
    };
  }
}
