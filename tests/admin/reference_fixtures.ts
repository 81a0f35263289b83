/**
 * The documents in `fixtures/reference-export`, and what is expected of them.
 *
 *     deno run -A tests/admin/reference_fixtures.ts    # writes anew what is expected
 *
 * @module
 */
import { bundleOfReference } from "../../src/admin/reference_document.ts";

const FOLDER = new URL("../../fixtures/reference-export/", import.meta.url);

export const DOCUMENTS = ["complete", "read_models", "hostile"] as const;

export function textOf(document: string): Promise<string> {
  return Deno.readTextFile(new URL(`${document}.json`, FOLDER));
}

export async function expectedOf(document: string): Promise<unknown> {
  return JSON.parse(await textOf(`${document}.expected`));
}

if (import.meta.main) {
  for (const document of DOCUMENTS) {
    const found = bundleOfReference(JSON.parse(await textOf(document)));
    const text = `${JSON.stringify(found, undefined, 2)}\n`;
    await Deno.writeTextFile(new URL(`${document}.expected.json`, FOLDER), text);
  }
}
