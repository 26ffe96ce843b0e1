/** Makes signing secrets as Standard Webhooks writes them: `whsec_` and base64. */

/** Within the 24 to 64 bytes that the specification asks for. */
const BYTES = 32;

export function newWebhookSecret(): string {
  return `whsec_${crypto.getRandomValues(new Uint8Array(BYTES)).toBase64()}`;
}
