/** Whether a webhook comes from the service, by Standard Webhooks 1.0 (https://www.standardwebhooks.com) and WebCrypto, which every runtime has. */

import type { TaskResource } from "../contract/task.ts";

/** What a webhook says. */
export interface WebhookMessage<Task = TaskResource> {
  /** Such as `"task.failed"`. */
  type: string;
  /** ISO 8601. */
  timestamp: string;
  /** The task as it ended. */
  data: Task;
}

/** It is not signed with this secret, is too old, or was changed. */
export class WebhookVerificationError extends Error {
  override readonly name = "WebhookVerificationError";
}

/** A message further from this clock, in seconds, is refused: it may have been recorded and sent again. */
const TOLERANCE_S = 300;

const HEADERS = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const;

/**
 * Checks a webhook's signature and returns what the webhook says. Throws a `WebhookVerificationError` where the signature is
 * wrong or the webhook is more than five minutes old. The body must be as it came: JSON that was read and written again has
 * another signature.
 *
 * @example
 * async function receive(request: Request): Promise<Response> {
 *   const { type, data } = await verifyWebhook(request, "whsec_c2VjcmV0");
 *   console.log(type, data.id);
 *   return new Response(null, { status: 204 });
 * }
 * console.log(receive.name);
 */
export async function verifyWebhook(
  request: Request | { headers: Headers | Record<string, string | string[] | undefined>; body: string },
  secret: string,
): Promise<WebhookMessage> {
  const given = request.headers instanceof Headers ? request.headers : headersOf(request.headers);
  const [id, stamp, signatures] = HEADERS.map((name) => given.get(name) ?? refuse(`the header ${name} is missing`));
  const age = Date.now() / 1_000 - Number(stamp);
  if (!(Math.abs(age) <= TOLERANCE_S)) refuse("its timestamp is more than 5 minutes from this clock");
  const body = typeof request.body === "string" ? request.body : await (request as Request).text();
  const key = await crypto.subtle.importKey("raw", keyOf(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = new TextEncoder().encode(`${id}.${stamp}.${body}`);
  for (const signature of signatures!.split(" ")) {
    const value = signature.startsWith("v1,") ? bytesOf(signature.slice(3)) : null;
    if (value !== null && (await crypto.subtle.verify("HMAC", key, value, signed))) {
      return JSON.parse(body) as WebhookMessage;
    }
  }
  refuse("no signature fits: it was signed with another secret, or its body was changed");
}

function refuse(why: string): never {
  throw new WebhookVerificationError(why);
}

function headersOf(record: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  for (const name of Object.keys(record)) {
    if (record[name] !== undefined) headers.set(name, String(record[name]));
  }
  return headers;
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const key = bytesOf(secret.replace(/^whsec_/, ""));
  if (key === null || key.length === 0) throw new RangeError("not a webhook's secret: whsec_ and base64");
  return key;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}
