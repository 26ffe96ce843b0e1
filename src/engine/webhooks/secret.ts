/**
 * Signing secrets as Standard Webhooks writes them: `whsec_` and base64. They are stored sealed, once a
 * key to seal with is configured; the clock, or the next use, seals those that were stored before.
 */

import { log } from "../../core/log.ts";
import type { WebhookSecret } from "../../core/webhook.ts";
import { replaceSecrets } from "../../results/webhooks/change.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import { isCurrent, isSealed, open, seal, type Binding } from "../sealing/seal.ts";
import { whyNoSealKey } from "../sealing/key.ts";

/** Within the 24 to 64 bytes that the specification asks for. */
const BYTES = 32;

export function newWebhookSecret(): string {
  return `whsec_${crypto.getRandomValues(new Uint8Array(BYTES)).toBase64()}`;
}

/** The secret as an endpoint's row holds it. */
export async function sealEndpointSecret(env: Env, tenant: string, id: string, secret: string): Promise<string> {
  return sealed(env, ["endpoint", tenant, id], secret);
}

/** The endpoint's secrets as they sign, the newest first. Throws a `SealError` where one cannot be opened. */
export async function endpointSecrets(env: Env, row: WebhookRow): Promise<WebhookSecret[]> {
  return openAll(env, row, secretsOf(row));
}

/** The secret of a submission's webhook as it is stored. */
export async function sealTaskSecret(env: Env, tenant: string, url: string, secret: string): Promise<string> {
  return sealed(env, ["webhook", tenant, url], secret);
}

/** The same as it signs. Throws a `SealError` where it cannot be opened. */
export async function openTaskSecret(env: Env, tenant: string, url: string, secret: string): Promise<string> {
  return isSealed(secret) ? open(env, ["webhook", tenant, url], secret) : secret;
}

/**
 * Seals those secrets of the endpoint that are plain, or sealed with another key than the first. Does not throw for one that
 * cannot be opened.
 */
export async function resealEndpoint(env: Env, row: WebhookRow): Promise<void> {
  const stored = secretsOf(row);
  if (whyNoSealKey(env) !== null || stored.every(({ secret }) => isCurrent(env, secret))) return;
  const { tenant, id } = row;
  try {
    const fresh = (await openAll(env, row, stored)).map(async ({ secret, expiresAt }, i) => {
      const kept = stored[i]!.secret;
      return { secret: isCurrent(env, kept) ? kept : await sealEndpointSecret(env, tenant, id, secret), expiresAt };
    });
    await replaceSecrets(env.DB, tenant, id, row.secrets, JSON.stringify(await Promise.all(fresh)));
  } catch (error) {
    log("webhook_not_sealed", { tenant, webhook: id, error });
  }
}

async function openAll(env: Env, { tenant, id }: WebhookRow, stored: WebhookSecret[]): Promise<WebhookSecret[]> {
  return Promise.all(
    stored.map(async ({ secret, expiresAt }) => ({
      secret: isSealed(secret) ? await open(env, ["endpoint", tenant, id], secret) : secret,
      expiresAt,
    })),
  );
}

function secretsOf({ secrets }: WebhookRow): WebhookSecret[] {
  return JSON.parse(secrets) as WebhookSecret[];
}

async function sealed(env: Env, binding: Binding, secret: string): Promise<string> {
  return isSealed(secret) || whyNoSealKey(env) !== null ? secret : seal(env, binding, secret);
}
