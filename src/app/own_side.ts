/**
 * The gateway's own tools, prompts and resources, put together.
 *
 * @module
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { OwnTool } from "../domain/own_item.ts";
import { VERSION } from "../domain/version.ts";
import { createOwnServer } from "../mcp/own_server/own_server.ts";
import { createOwnTools } from "../mcp/own_server/tools.ts";
import type { HttpClient } from "../platform/http1/client.ts";
import type { EgressPolicy } from "../policy/egress.ts";
import { createArgumentCheck } from "../policy/guardrails/argument_schema.ts";
import { createPatterns } from "../policy/guardrails/pattern.ts";
import { createRestClient } from "../upstream/rest/rest_client.ts";
import type { Base } from "./base.ts";

interface OwnParts {
  readonly http: HttpClient;
  readonly catalog: Catalog;
  readonly egress: EgressPolicy;
}

export function createOwnSide(
  { config, platform: { clock, log }, timers, budget }: Base,
  { http, catalog, egress }: OwnParts,
) {
  const unusable = (reason: string) =>
    log.warning("The schema of a tool cannot be checked by", { reason });
  const input = createArgumentCheck({ isStrict: true, unusable });
  const output = createArgumentCheck({
    unusable,
    subject: "The reply does not fit the output schema of the tool: its values",
  });
  const rest = createRestClient({
    http,
    clock,
    timers,
    budget,
    patterns: createPatterns(),
    checkOutput: output.check,
  }, {
    connectMs: config.connectMs,
    timeoutMs: config.toolMs,
    totalMs: config.toolMsMax,
    replyBytesMax: config.responseBytesMax,
    userAgent: `sallyport/${VERSION}`,
    checkAddress: egress.checkAddress,
  });
  const schemas = new WeakMap<OwnTool, string>();

  function checkArguments(tool: OwnTool, args: unknown): string | undefined {
    let schema = schemas.get(tool);
    if (schema === undefined) schemas.set(tool, schema = JSON.stringify(tool.inputSchema));
    return input.check(tool, schema, args);
  }

  const callTool = createOwnTools({ rest, timers, checkArguments }, config);
  return { own: createOwnServer({ catalog, callTool }), schemaFault: input.faultOf };
}
