/** Entity tags: RFC 9110 §8.8.3. */

const encoder = new TextEncoder();

/** The tag of a text. */
export async function etagOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(text));
  return `"${new Uint8Array(digest, 0, 12).toBase64({ alphabet: "base64url" })}"`;
}

/** Whether an `If-None-Match` header names this tag. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((candidate) => ["*", etag, `W/${etag}`].includes(candidate.trim()));
}
