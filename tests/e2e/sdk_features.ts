/**
 * What is asked of a server through the SDKs' clients, directly and through the gateway.
 *
 * @module
 */
import type { SdkCaller } from "../support/sdk_caller.ts";

type Use = (client: SdkCaller) => Promise<unknown>;

/** Whatever these give directly they give through the gateway. */
export const FEATURES: Readonly<Record<string, Use>> = {
  "the list of tools": (client) => client.listTools(),
  "the list of prompts": (client) => client.listPrompts(),
  "the list of resources": (client) => client.listResources(),
  "the list of resource templates": (client) => client.listResourceTemplates(),
  "a text": (client) => client.callTool({ name: "test_simple_text" }),
  "an image": (client) => client.callTool({ name: "test_image_content" }),
  "a sound": (client) => client.callTool({ name: "test_audio_content" }),
  "an embedded resource": (client) => client.callTool({ name: "test_embedded_resource" }),
  "mixed content": (client) => client.callTool({ name: "test_multiple_content_types" }),
  "structured content": (client) =>
    client.callTool({ name: "test_echo", arguments: { a: [1, { b: "ü" }], empty: {} } }),
  "a result with isError": (client) => client.callTool({ name: "test_error_handling" }),
  "a mirrored parameter": async (client) => {
    await client.listTools();
    return await client.callTool({ name: "test_x_mcp_header", arguments: { region: "größer" } });
  },
  "a completion for a prompt": (client) =>
    client.complete({
      ref: { type: "ref/prompt", name: "test_prompt_with_arguments" },
      argument: { name: "arg1", value: "par" },
    }),
  "a completion for a resource template": (client) =>
    client.complete({
      ref: { type: "ref/resource", uri: "test://template/{id}/data" },
      argument: { name: "id", value: "1" },
    }),
  "a text resource": (client) => client.readResource({ uri: "test://static-text" }),
  "a binary resource": (client) => client.readResource({ uri: "test://static-binary" }),
  "a resource of a template": (client) => client.readResource({ uri: "test://template/7/data" }),
  "a prompt": (client) => client.getPrompt({ name: "test_simple_prompt" }),
  "a prompt with arguments": (client) =>
    client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "ß" } }),
  "a prompt with a picture": (client) => client.getPrompt({ name: "test_prompt_with_image" }),
};

export const FAILURES: Readonly<Record<string, Use>> = {
  "an unknown tool": (client) => client.callTool({ name: "no_such_tool" }),
  "an unknown prompt": (client) => client.getPrompt({ name: "no_such_prompt" }),
  "an unknown resource": (client) => client.readResource({ uri: "test://no-such-resource" }),
  "wrong arguments of a prompt": (client) =>
    client.getPrompt({ name: "test_prompt_with_arguments", arguments: {} }),
  "a completion of an unknown prompt": (client) =>
    client.complete({
      ref: { type: "ref/prompt", name: "no_such_prompt" },
      argument: { name: "a", value: "" },
    }),
};

/** A tool that asks, what is asked, and what it says in the end. */
export const QUESTIONS:
  readonly (readonly [tool: string, asked: readonly string[], text: string])[] = [
    ["test_input_required_result_elicitation", ["elicitation/create"], "Hello, Ada!"],
    ["test_input_required_result_sampling", ["sampling/createMessage"], "Paris"],
    ["test_input_required_result_list_roots", ["roots/list"], "Roots: file:///project"],
    ["test_input_required_result_request_state", ["elicitation/create"], "Confirmed: state-ok"],
    [
      "test_input_required_result_multiple_inputs",
      ["elicitation/create", "roots/list", "sampling/createMessage"],
      "Paris Ada, you have 1 root(s)",
    ],
    [
      "test_input_required_result_multi_round",
      ["elicitation/create", "elicitation/create"],
      "Your favorite color is blue",
    ],
  ];
