/**
 * The keys that seal what is secret: `SEAL_KEY="<id>:<base64 of 32 bytes>"`, or several with commas between them. The
 * first seals, each of them opens.
 */

/** What a key is used for; each use has a key of its own, derived from it (HKDF, RFC 5869). */
type Use = "seal" | "compare";

export interface SealKey {
  id: string;
  bytes: Uint8Array<ArrayBuffer>;
}

const SHAPE = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/;

/** Keys by the text of the configuration that they were read from: only a cache. */
const read = new Map<string, readonly SealKey[]>();
const derived = new Map<string, CryptoKey>();
const MAX_CACHED = 100;

/** The keys in the order of the configuration; none where it names none, or cannot be read. */
export function sealKeys({ SEAL_KEY = "" }: Pick<Env, "SEAL_KEY">): readonly SealKey[] {
  const known = read.get(SEAL_KEY);
  if (known) return known;
  const keys = parse(SEAL_KEY) ?? [];
  remember(read, SEAL_KEY, keys);
  return keys;
}

/** Why nothing can be sealed; null where it can. */
export function whyNoSealKey(env: Pick<Env, "SEAL_KEY">): string | null {
  if (sealKeys(env).length > 0) return null;
  return env.SEAL_KEY
    ? "SEAL_KEY is not <id>:<base64 of 32 bytes>, or several of these with commas between them"
    : "SEAL_KEY is not set";
}

export async function deriveKey({ id, bytes }: SealKey, use: Use): Promise<CryptoKey> {
  const name = `${use}:${id}:${bytes.toBase64()}`;
  const known = derived.get(name);
  if (known) return known;
  const base = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(`lovage ${use}`);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  const key =
    use === "seal"
      ? await crypto.subtle.deriveKey(hkdf, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
      : await crypto.subtle.deriveKey(hkdf, base, { name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign"]);
  remember(derived, name, key);
  return key;
}

/** The keys of a configuration; null where it cannot be read. */
function parse(text: string): SealKey[] | null {
  const keys: SealKey[] = [];
  for (const part of text.split(",")) {
    const [, id, base64] = SHAPE.exec(part.trim()) ?? [];
    if (id === undefined || keys.some((key) => key.id === id)) return null;
    keys.push({ id, bytes: Uint8Array.fromBase64(base64!) });
  }
  return keys;
}

function remember<V>(cache: Map<string, V>, name: string, value: V): void {
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(name, value);
}
