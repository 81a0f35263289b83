/**
 * Client scenarios: what a reference client does in each scenario of the referee.
 *
 * A client that was told nothing would only connect; the referee expects it to use
 * what the server offers.
 *
 * @module
 */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** What the referee tells the client beside the URL. */
export interface Assignment {
  readonly scenario: string;
  /** Revision to speak; up to 2025-11-25 the session handshake, from 2026-07-28 none. */
  readonly revision: string;
  readonly context: Record<string, unknown>;
}

type Behaviour = (client: Client, assignment: Assignment) => Promise<void>;

const FIRST_MODERN_REVISION = "2026-07-28";

const BEHAVIOURS: Record<string, Behaviour> = {
  "initialize": async (client) => void await client.listTools(),
  "tools_call": addNumbers,
  "json-schema-2020-12-preservation": echoSchema,
  "request-metadata": async (client) => void await client.listTools(),
  "http-standard-headers": useEverything,
  "http-custom-headers": callAsTold,
  "http-invalid-tool-headers": callWhatIsListed,
  "json-schema-ref-no-deref": async (client) => void await client.listTools(),
  "sep-2322-client-request-state": answerInputRequests,
  "elicitation-sep1034-client-defaults": callWhatIsListed,
  "sse-retry": callWhatIsListed,
};

/** Connects to `url`, does what the scenario needs and disconnects. */
export async function playScenario(url: string, assignment: Assignment): Promise<void> {
  const behave = BEHAVIOURS[assignment.scenario];
  if (!behave) throw new Error(`Cannot play "${assignment.scenario}": no such scenario`);
  const client = createClient(assignment.revision);
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  try {
    await behave(client, assignment);
  } finally {
    await client.close();
  }
}

function createClient(revision: string): Client {
  const isModern = revision >= FIRST_MODERN_REVISION;
  const client = new Client({ name: "reference-client", version: "1.0.0" }, {
    capabilities: { roots: {}, sampling: {}, elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: isModern ? { pin: revision } : "legacy" },
  });
  client.setRequestHandler("roots/list", () => ({ roots: [] }));
  client.setRequestHandler("sampling/createMessage", () => ({
    role: "assistant",
    content: { type: "text", text: "A sampled answer" },
    model: "none",
  }));
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: {} }));
  return client;
}

async function addNumbers(client: Client): Promise<void> {
  await client.listTools();
  await client.callTool({ name: "add_numbers", arguments: { a: 5, b: 3 } });
}

async function echoSchema(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  const schema = tools.find((tool) => tool.name === "json_schema_2020_12_tool")?.inputSchema;
  await client.callTool({ name: "json_schema_echo", arguments: { schema } });
}

async function useEverything(client: Client): Promise<void> {
  await callWhatIsListed(client);
  const { resources } = await client.listResources();
  for (const { uri } of resources) await client.readResource({ uri });
  const { prompts } = await client.listPrompts();
  for (const { name } of prompts) await client.getPrompt({ name });
}

async function callAsTold(client: Client, { context }: Assignment): Promise<void> {
  await client.listTools();
  const calls = context.toolCalls as { name: string; arguments: Record<string, unknown> }[];
  for (const call of calls) await client.callTool(call);
}

/** Calls every tool that survived the client's own checks, every argument a text. */
async function callWhatIsListed(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  for (const { name, inputSchema } of tools) {
    const args = Object.keys(inputSchema.properties ?? {}).map((key) => [key, "any"]);
    await client.callTool({ name, arguments: Object.fromEntries(args) });
  }
}

async function answerInputRequests(client: Client): Promise<void> {
  // Between a question and its answer comes a call that must carry neither.
  client.setRequestHandler("elicitation/create", async () => {
    await client.callTool({ name: "test_mrtr_unrelated", arguments: {} });
    return { action: "accept", content: { confirmed: true } };
  });
  await client.listTools();
  await client.callTool({ name: "test_mrtr_echo_state", arguments: {} });
  await client.callTool({ name: "test_mrtr_no_state", arguments: {} });
  // The SDK's client refuses a modern result without `resultType`; what the referee wants to
  // see is that it does not take it for a question and call again.
  await client.callTool({ name: "test_mrtr_no_result_type", arguments: {} }).catch((cause) => {
    if (!String(cause).includes("resultType")) throw cause;
  });
}
