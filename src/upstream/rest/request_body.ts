/**
 * The body of a request to an API: JSON, a form of either kind, text, or bytes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { randomText } from "../../platform/random.ts";
import { refused } from "./refused.ts";
import { encoderOf, type Given } from "./request_url.ts";
import { inPairs, textOf } from "./styles.ts";

export interface RequestBody {
  /** Value of `Content-Type`. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

/**
 * @param type media type, with parameters or without
 * @param given the arguments that have their place in it
 * @throws {GatewayError} `invalid_params`
 */
export function requestBody(type: string, given: readonly Given[]): RequestBody {
  const essence = type.split(";", 1)[0]!.trim().toLowerCase();
  if (essence === "application/x-www-form-urlencoded") return { type, bytes: formOf(given) };
  if (essence === "multipart/form-data") return multipartOf(given);
  const whole = given.find(({ place }) => place.whole);
  if (isJsonType(essence)) {
    const value = whole === undefined ? membersOf(given) : whole.value;
    return { type, bytes: Buffer.from(JSON.stringify(value)) };
  }
  return { type, bytes: whole === undefined ? Buffer.alloc(0) : bytesOf(whole) };
}

export function isJsonType(essence: string): boolean {
  return /^(?:application|text)\/json$|\+json$/.test(essence);
}

function membersOf(given: readonly Given[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(given.map(({ place, value }) => [place.as, value]));
}

function formOf(given: readonly Given[]): Uint8Array {
  const pairs = given.flatMap(({ place, value }) => {
    const shown = place.contentType === undefined ? value : JSON.stringify(value);
    return inPairs(place, place.as, shown, encoderOf(place.name));
  });
  // A plus sign is a space there; `%20` is read as one everywhere else too.
  return Buffer.from(pairs.map((pair) => pair.join("=")).join("&"));
}

/** @see RFC 7578 */
function multipartOf(given: readonly Given[]): RequestBody {
  // Nobody who fills in a part can know it, and so end the part.
  const boundary = `sallyport-${randomText(16)}`;
  const pieces: Uint8Array[] = [];
  for (const { place, value } of given) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each === null) continue;
      pieces.push(Buffer.from(`--${boundary}\r\n${partHead({ place, value: each })}\r\n`));
      pieces.push(bytesOf({ place, value: each }), Buffer.from("\r\n"));
    }
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { type: `multipart/form-data; boundary=${boundary}`, bytes: Buffer.concat(pieces) };
}

function partHead({ place, value }: Given): string {
  const { as, isBase64 } = place;
  const usual = isBase64 ? "application/octet-stream" : JSON_OBJECT[typeof value];
  const type = place.contentType ?? usual;
  // Without a file name, many servers do not take a part for a file.
  const file = isBase64 ? `; filename="${partName(as)}"` : "";
  return `Content-Disposition: form-data; name="${partName(as)}"${file}\r\n` +
    (type === undefined ? "" : `Content-Type: ${type}\r\n`);
}

const JSON_OBJECT: Readonly<Record<string, string>> = { object: "application/json" };

/** @see RFC 7578, section 4.2; HTML, "Multipart form data" */
function partName(name: string): string {
  return name.replace(/[\r\n"]/g, encodeURIComponent);
}

function bytesOf({ place, value }: Given): Uint8Array {
  if (!place.isBase64) return Buffer.from(textOf(value));
  const text = typeof value === "string" ? value.replace(/\s+/g, "") : "*";
  if (!/^(?:[A-Za-z0-9+/]*={0,2}|[A-Za-z0-9_-]*={0,2})$/.test(text)) {
    throw refused(place.name, "is not base64");
  }
  return Buffer.from(text, "base64");
}
