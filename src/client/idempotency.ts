/** The key under which a request may be repeated. */

/** A key that no other request has. */
export function newIdempotencyKey(): string {
  // A page that is served without TLS has no `randomUUID`.
  return crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join("-");
}
