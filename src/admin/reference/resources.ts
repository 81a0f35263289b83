/**
 * Resources of the reference system, and its resource templates.
 *
 * @module
 * @see reference/behaviour.md, section 5.1
 */
import { flawOfText } from "../../catalog/text_template.ts";
import { parseUriTemplate } from "../../domain/uri_template.ts";
import type { BundleEntry } from "../api/bundle.ts";
import { audienceOf } from "./audience.ts";
import { type Entry, isObject, isText, NotTaken } from "./entry.ts";
import { gatewayOf, takeOffered } from "./items.ts";
import type { OwnNotes } from "./notes.ts";
import { referenceOf } from "./register.ts";
import { descriptionOf, metaOf, titleOf } from "./texts.ts";
import { fitting, isOff, type World } from "./world.ts";

export function takeResource(world: World, entry: Entry, notes: OwnNotes): void {
  const { uri, isTemplate } = addressOf(entry);
  const gateway = gatewayOf(world, entry);
  if (gateway !== undefined) {
    const kind = isTemplate ? "template" : "resource";
    return takeOffered(world, gateway, { kind, upstreamName: uri }, entry, notes);
  }
  const name = entry.text("name") ?? uri;
  const contents = contentsOf(entry);
  if (isTemplate) checkTemplate(uri, contents.text);
  const resource: BundleEntry<"resources"> = fitting(world, "resources", {
    ...isTemplate ? { uriTemplate: uri } : { uri },
    name,
    title: titleOf(entry, name),
    _meta: metaOf(entry),
    description: descriptionOf(entry, notes),
    mimeType: entry.text("mime_type"),
    ...contents,
    enabled: isOff(entry) ? false : undefined,
    ...audienceOf(entry, world.teams.find, notes),
  });
  if (world.resources.find(uri) !== undefined) {
    throw new NotTaken("An entry before it has the same URI");
  }
  world.lists.resources.push(resource);
  world.resources.add([uri, referenceOf(entry.peek("id")), name], uri);
}

/** A URI with braces is a template, which some versions have a member of its own for. */
function addressOf(entry: Entry): { readonly uri: string; readonly isTemplate: boolean } {
  const template = entry.text("uri_template") ?? entry.text("template");
  const uri = template ?? entry.text("uri");
  entry.any("uri");
  if (uri === undefined) throw new NotTaken('It has no "uri"');
  return { uri, isTemplate: template !== undefined || /\{[^{}]*\}/.test(uri) };
}

interface Contents {
  readonly text?: string;
  readonly blob?: string;
}

/** Text, or bytes in base64: members of the entry, or of its `content`. */
function contentsOf(entry: Entry): Contents {
  const content = entry.any("content");
  const { text, blob } = isObject(content) ? content : { text: content, blob: undefined };
  const found = [text, entry.any("text_content"), entry.any("text")].find(isText);
  const bytes = [blob, entry.any("binary_content"), entry.any("blob")].find(isText);
  if (bytes !== undefined && bytes !== "") return { blob: bytes };
  if (found !== undefined && found !== "") return { text: found };
  throw new NotTaken(
    "The document has no content of it: what a gateway offers is found again at that gateway",
  );
}

/** @throws {NotTaken} */
function checkTemplate(uriTemplate: string, text: string | undefined): void {
  const template = parseUriTemplate(uriTemplate);
  if (template === undefined || template.variables.length === 0) {
    throw new NotTaken("Its URI is no template of RFC 6570 with variables");
  }
  const flaw = text === undefined ? undefined : flawOfText(text, new Set(template.variables));
  if (flaw !== undefined) throw new NotTaken(`Its text, which is Mustache here, ${flaw}`);
}
