/**
 * A secret in the forms in which it could turn up.
 *
 * @module
 */
const encoder = new TextEncoder();

/** Long enough that nothing is it by chance. */
export function canary(name: string): string {
  // At the end, what a URL writes in another way and a bearer token may have.
  return `${name}~${crypto.getRandomValues(new Uint8Array(16)).toHex()}/+=`;
}

/** The names of those that are in the text, in whatever form. */
export function canariesIn(text: string, canaries: Readonly<Record<string, string>>): string[] {
  return Object.entries(canaries).flatMap(([name, secret]) => {
    const found = Object.entries(formsOf(secret)).find(([, form]) => text.includes(form));
    return found === undefined ? [] : [`${name}, ${found[0]}: ${around(text, found[1])}`];
  });
}

function formsOf(secret: string): Readonly<Record<string, string>> {
  const bytes = encoder.encode(secret);
  const encoded = encodeURIComponent(secret);
  const forms: Record<string, string> = {
    "as it is": secret,
    "in a URL": encoded,
    "in a URL, in small letters": encoded.replace(/%../g, (code) => code.toLowerCase()),
    "in a form": new URLSearchParams([["", secret]]).toString().slice(1),
    "in hex": bytes.toHex(),
    "in HEX": bytes.toHex().toUpperCase(),
  };
  for (const alphabet of ["base64", "base64url"] as const) {
    for (const before of [0, 1, 2]) {
      forms[`in ${alphabet} behind ${before} bytes`] = insideOf(bytes, before, alphabet);
    }
  }
  return forms;
}

/** What is the same of its base64 form, whatever stands around it. */
function insideOf(bytes: Uint8Array, before: number, alphabet: "base64" | "base64url"): string {
  const padded = new Uint8Array(before + bytes.length);
  padded.set(bytes, before);
  const text = padded.toBase64({ alphabet });
  return text.slice(Math.ceil(before * 4 / 3), Math.floor(padded.length * 4 / 3));
}

function around(text: string, form: string): string {
  const at = text.indexOf(form);
  return JSON.stringify(text.slice(Math.max(0, at - 150), at + form.length + 50));
}
