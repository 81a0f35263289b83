/**
 * The third contender: a gateway as one builds it from the SDK's parts, without measuring.
 *
 * Each request gets a fresh `McpServer` from `createMcpHandler`'s factory, with all tools registered; a
 * tool's handler calls the upstream through an SDK `Client` that stays connected. Schemas are made once,
 * which is kinder than much of what is in use; the list is answered from the registrations.
 *
 * Argument: the port of the stub.
 *
 * @module
 */

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

import { TOOL_DESCRIPTION, TOOL_NAMES } from "./payload.ts";

const INFO = { name: "naive-gateway", version: "1.0.0" };

const INPUT = z.object({
  path: z.string().describe("Where the entry lies in the collection").optional(),
  bytes: z.number().int().min(0).describe("How much text is wanted").optional(),
  count: z.number().int().min(0).describe("How many steps are reported").optional(),
});

function createServer(upstream: Client): McpServer {
  const server = new McpServer(INFO);
  for (const name of TOOL_NAMES) {
    const about = { description: TOOL_DESCRIPTION, inputSchema: INPUT };
    server.registerTool(name, about, async (args, context) => {
      const { signal, notify, _meta: meta } = context.mcpReq;
      const progressToken = meta?.progressToken;
      if (progressToken === undefined) {
        return await upstream.callTool({ name, arguments: args }, { signal });
      }
      const sent: Promise<void>[] = [];
      const onprogress = (progress: { progress: number; total?: number | undefined }) => {
        const params = { progressToken, progress: progress.progress, total: progress.total };
        sent.push(notify({ method: "notifications/progress", params }));
      };
      const result = await upstream.callTool({ name, arguments: args }, { signal, onprogress });
      await Promise.all(sent);
      return result;
    });
  }
  return server;
}

if (import.meta.main) {
  const upstream = new Client(INFO, { versionNegotiation: { mode: "auto" } });
  const url = new URL(`http://127.0.0.1:${Deno.args[0]}/mcp`);
  await upstream.connect(new StreamableHTTPClientTransport(url));
  const handler = createMcpHandler(() => createServer(upstream));
  const onListen = ({ port }: { port: number }) => {
    console.log(`Listening on http://127.0.0.1:${port}`);
  };
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => handler.fetch(request));
}
