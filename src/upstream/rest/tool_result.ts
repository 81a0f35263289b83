/**
 * Results of `tools/call` that the gateway makes itself.
 *
 * @module
 * @see MCP 2026-07-28, Tools, "Tool Result"
 */
export interface ToolResult {
  readonly content: readonly Content[];
  readonly structuredContent?: unknown;
  readonly isError?: true;
}

export type Content =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image" | "audio"; readonly data: string; readonly mimeType: string }
  | {
    readonly type: "resource";
    readonly resource: { readonly uri: string; readonly mimeType: string; readonly blob: string };
  };

export function textResult(text: string): ToolResult {
  return { content: [{ type: "text", text }] };
}

/** @param more what else there is to see */
export function errorResult(text: string, more: readonly Content[] = []): ToolResult {
  return { content: [{ type: "text", text }, ...more], isError: true };
}
