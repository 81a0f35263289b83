/**
 * What the clients of both SDKs have in common, so that a test can be written once for both.
 *
 * @module
 */
import type { Message } from "./modern.ts";

export interface SdkCaller {
  listTools(): Promise<unknown>;
  listPrompts(): Promise<unknown>;
  listResources(): Promise<unknown>;
  listResourceTemplates(): Promise<unknown>;
  callTool(params: ToolParams): Promise<unknown>;
  getPrompt(params: { name: string; arguments?: Record<string, string> }): Promise<unknown>;
  readResource(params: { uri: string }): Promise<unknown>;
  complete(params: CompletionParams): Promise<unknown>;
}

export interface ToolParams {
  name: string;
  arguments?: Record<string, unknown>;
}

interface CompletionParams {
  ref: { type: "ref/prompt"; name: string } | { type: "ref/resource"; uri: string };
  argument: { name: string; value: string };
}

/** What only clients of the session era have. */
export interface SessionCaller extends SdkCaller {
  ping(): Promise<unknown>;
  setLoggingLevel(level: "warning"): Promise<unknown>;
  subscribeResource(params: { uri: string }): Promise<unknown>;
  unsubscribeResource(params: { uri: string }): Promise<unknown>;
}

/** A client of the session era that is connected. */
export interface SessionPeer extends AsyncDisposable {
  readonly client: SessionCaller;
  /** Calls a tool with the options that the two SDKs take in different places. */
  readonly call: (params: ToolParams, options: CallOptions) => Promise<unknown>;
  readonly revision: string | undefined;
  readonly sessionId: string | undefined;
  /** What the server said of itself. */
  readonly server: ServerFacts;
  /** Notifications that a server sends unasked, in order. */
  readonly heard: Message[];
  /** Methods of the questions that were answered, in order. */
  readonly asked: string[];
}

export interface ServerFacts {
  readonly info: unknown;
  readonly capabilities: unknown;
  readonly instructions: unknown;
}

export interface CallOptions {
  onprogress?: (step: { progress: number; total?: number | undefined }) => void;
  signal?: AbortSignal;
  /** Where an earlier call got to that is to be resumed instead of calling again. */
  resumptionToken?: string;
  onresumptiontoken?: (token: string) => void;
}
