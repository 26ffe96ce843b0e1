/**
 * Seals and opens what is secret: AES-256-GCM, bound to what it belongs to: moved to another task or tenant, it
 * cannot be opened. A sealed text is `sealed:<key's id>:<nonce>.<ciphertext>`.
 */

import { deriveKey, sealKeys, type SealKey } from "./key.ts";

const NONCE_BYTES = 12;
const PREFIX = "sealed:";

/**
 * What a sealed text is bound to: it opens only with the same values. A task's secrets are bound to the text that
 * they were taken out of, so that they go with copies of it, and with nothing else.
 */
export type Binding =
  | [what: "input" | "result", tenant: string, task: string, text: string | null]
  | [what: "schedule", tenant: string, id: string, spec: string, input: string | null]
  | [what: "webhook", tenant: string, url: string]
  | [what: "endpoint", tenant: string, id: string];

/** It cannot be opened: its key is not configured any more (`isKeyMissing`), or it was altered or moved. */
export class SealError extends Error {
  override readonly name = "SealError";
  readonly isKeyMissing: boolean;

  constructor(message: string, isKeyMissing: boolean) {
    super(message);
    this.isKeyMissing = isKeyMissing;
  }
}

/** Throws a {@link SealError} where no key is configured. */
export async function seal(env: Env, binding: Binding, text: string): Promise<string> {
  const key = sealKeys(env)[0];
  if (key === undefined) throw new SealError("no SEAL_KEY is configured to seal with", true);
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const cipher = await crypto.subtle.encrypt(algorithm(iv, binding), await deriveKey(key, "seal"), bytesOf(text));
  return `${PREFIX}${key.id}:${iv.toBase64()}.${new Uint8Array(cipher).toBase64()}`;
}

/** Throws a {@link SealError} where it cannot be opened. */
export async function open(env: Env, binding: Binding, sealed: string): Promise<string> {
  const [, id, nonce, cipher] = /^sealed:([^:]+):([^.]+)\.(.+)$/.exec(sealed) ?? [];
  if (id === undefined) throw new SealError("it does not have the form of a sealed text", false);
  const key = sealKeys(env).find((each) => each.id === id);
  if (key === undefined) throw new SealError(`SEAL_KEY has no key ${id}, with which it was sealed`, true);
  try {
    const iv = Uint8Array.fromBase64(nonce!);
    const bytes = Uint8Array.fromBase64(cipher!);
    const text = await crypto.subtle.decrypt(algorithm(iv, binding), await deriveKey(key, "seal"), bytes);
    return new TextDecoder().decode(text);
  } catch {
    throw new SealError("it was altered, or belongs to something else", false);
  }
}

/** Whether the text is sealed. */
export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Whether it was sealed with the key that seals now. */
export function isCurrent(env: Env, sealed: string): boolean {
  const key = sealKeys(env)[0];
  return key !== undefined && sealed.startsWith(`${PREFIX}${key.id}:`);
}

/**
 * Stands for a secret text where texts are compared: its HMAC under each of the keys, that of the first key first. So the stored
 * value does not give the text away. None where no key is configured.
 */
export async function macs(env: Env, text: string): Promise<string[]> {
  return Promise.all(sealKeys(env).map((key) => macWith(key, text)));
}

async function macWith(key: SealKey, text: string): Promise<string> {
  const mac = await crypto.subtle.sign("HMAC", await deriveKey(key, "compare"), bytesOf(text));
  return `${key.id}:${new Uint8Array(mac).toBase64()}`;
}

function algorithm(iv: Uint8Array<ArrayBuffer>, binding: Binding) {
  return { name: "AES-GCM", iv, additionalData: bytesOf(JSON.stringify(binding)) };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}
