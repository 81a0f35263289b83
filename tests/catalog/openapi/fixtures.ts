/**
 * The documents in `fixtures/openapi`, and what is expected of them.
 *
 *     deno run -A tests/catalog/openapi/fixtures.ts    # writes anew what is expected
 *
 * @module
 */
import { importOpenApi, type ImportOptions } from "../../../src/catalog/openapi/import.ts";
import { createPace } from "../../../src/platform/pace.ts";

const FOLDER = new URL("../../../fixtures/openapi/", import.meta.url);

export const DOCUMENTS = [
  "auth_schemes.json",
  "recursion.json",
  "polymorphism.json",
  "quirks_30.json",
  "yaml.yaml",
] as const;

export function textOf(document: string): Promise<string> {
  return Deno.readTextFile(new URL(document, FOLDER));
}

export async function expectedOf(document: string): Promise<unknown> {
  return JSON.parse(await textOf(expectedName(document)));
}

export function imported(source: unknown, options: ImportOptions = {}) {
  return importOpenApi(source, options, createPace(() => performance.now()));
}

function expectedName(document: string): string {
  return document.replace(/\.\w+$/, ".expected.json");
}

if (import.meta.main) {
  for (const document of DOCUMENTS) {
    const found = JSON.stringify(await imported(await textOf(document)), undefined, 1);
    await Deno.writeTextFile(new URL(expectedName(document), FOLDER), `${found}\n`);
  }
}
