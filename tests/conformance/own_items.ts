/**
 * The gateway's own items that stand in for what the fixture has that is simple: the same names and
 * URIs, as somebody would write them for the management API.
 *
 * @module
 */
import { BEEP_WAV, PIXEL_PNG } from "../../fixtures/everything/media.ts";
import { JSON_SCHEMA_2020_12, MIRRORED_PARAMETER } from "../../fixtures/everything/schemas.ts";

type OwnRecord = Readonly<Record<string, unknown>>;

/** What all of them say of themselves, and nothing of the fixture's does. */
export const OWN_DESCRIPTION = "The gateway's own";

/** What shows or hides the two that come and go, by the tool that asks for it. */
export const TRIGGERS = {
  test_trigger_tool_change: { plural: "tools", name: "test_dynamic_tool" },
  test_trigger_prompt_change: { plural: "prompts", name: "test_dynamic_prompt" },
} as const;

/** What the API behind the tools answers, by the path that follows from the name of the tool. */
export const REPLIES: Readonly<Record<string, (body: BodyInit | null) => Response>> = {
  test_simple_text: () => new Response("This is a simple text response for testing."),
  test_image_content: () => bytes("image/png", PIXEL_PNG),
  test_audio_content: () => bytes("audio/wav", BEEP_WAV),
  test_embedded_resource: () => bytes("application/octet-stream", PIXEL_PNG),
  test_error_handling: () => new Response("It fails, as it has to", { status: 500 }),
  json_schema_2020_12_tool: (body) => new Response(body),
  test_x_mcp_header: (body) => new Response(body),
  test_dynamic_tool: () => new Response("Here for now"),
};

/** Those of the tools that every suite of the referees calls. */
export const ALWAYS_CALLED = [
  "test_simple_text",
  "test_image_content",
  "test_audio_content",
  "test_embedded_resource",
  "test_error_handling",
] as const;

const SCHEMAS: Readonly<Record<string, unknown>> = {
  json_schema_2020_12_tool: JSON_SCHEMA_2020_12,
  test_x_mcp_header: MIRRORED_PARAMETER,
};

/** @param apiUrl where the API behind them is */
export function ownTools(apiUrl: string): readonly OwnRecord[] {
  return [...Object.keys(REPLIES), ...Object.keys(TRIGGERS)].map((name) => ({
    name,
    description: OWN_DESCRIPTION,
    method: "POST",
    url: `${apiUrl}/${name}`,
    inputSchema: SCHEMAS[name] ?? { type: "object" },
    enabled: name !== "test_dynamic_tool",
  }));
}

const PLACES = ["paris", "park", "party", "prague"];
const PIXEL = { type: "image", data: PIXEL_PNG, mimeType: "image/png" };

export const OWN_PROMPTS: readonly OwnRecord[] = [
  prompt("test_simple_prompt", [words("This is a simple prompt for testing.")]),
  prompt("test_prompt_with_image", [PIXEL, words("Please analyze the image above.")]),
  prompt(
    "test_prompt_with_arguments",
    [words("Prompt with arguments: arg1='{{arg1}}', arg2='{{arg2}}'")],
    [{ name: "arg1", required: true, values: PLACES }, {
      name: "arg2",
      required: true,
      values: PLACES,
    }],
  ),
  prompt(
    "test_prompt_with_embedded_resource",
    [
      {
        type: "resource",
        resource: {
          uri: "test://example-resource",
          mimeType: "text/plain",
          text: "Embedded resource content of {{resourceUri}}.",
        },
      },
      words("Please process the embedded resource above."),
    ],
    [{ name: "resourceUri", required: true }],
  ),
  { ...prompt("test_dynamic_prompt", [words("Here for now")]), enabled: false },
];

export const OWN_RESOURCES: readonly OwnRecord[] = [
  resource("static-text", "test://static-text", {
    mimeType: "text/plain",
    text: "This is the content of the static text resource.",
  }),
  resource("static-binary", "test://static-binary", { mimeType: "image/png", blob: PIXEL_PNG }),
  resource("watched-resource", "test://watched-resource", {
    mimeType: "text/plain",
    text: "Version 1",
  }),
  {
    name: "template",
    description: OWN_DESCRIPTION,
    uriTemplate: "test://template/{id}/data",
    mimeType: "application/json",
    text: '{"id":"{{id}}","templateTest":true,"data":"Data for ID: {{id}}"}',
    arguments: [{ name: "id", values: ["1", "12", "123"] }],
  },
];

function prompt(
  name: string,
  contents: readonly OwnRecord[],
  args: readonly OwnRecord[] = [],
): OwnRecord {
  const messages = contents.map((content) => ({ role: "user", content }));
  return { name, description: OWN_DESCRIPTION, arguments: args, messages };
}

function words(text: string): OwnRecord {
  return { type: "text", text };
}

function resource(name: string, uri: string, contents: OwnRecord): OwnRecord {
  return { name, uri, description: OWN_DESCRIPTION, ...contents };
}

function bytes(type: string, base64: string): Response {
  return new Response(Uint8Array.fromBase64(base64), { headers: { "content-type": type } });
}
