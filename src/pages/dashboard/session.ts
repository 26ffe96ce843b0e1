/** Who is signed in, and the client that carries the key. The key stays in this tab, or in this browser if asked. */

import { computed, signal } from "@preact/signals";
import { createClient, UnauthorizedError, type Client, type Tasks } from "../../client/index.ts";
import type { OwnKey } from "../../contract/key.ts";
import type { Scope } from "../../contract/scope.ts";
import { heard, unheard } from "./reach.ts";

const STORED = "lovage.key";

/** Where the service is: beside this page. */
export const BASE = new URL("./", location.href).href.replace(/\/$/, "");

interface Session {
  key: string;
  client: Client<Tasks>;
  own: OwnKey;
}

/** Null before a key is given, and after a sign-out. */
export const session = signal<Session | null>(null);

/** Why the page asks for a key; empty when there is nothing to say. */
export const signInWords = signal("");

/** What the key may do. */
export const scopes = computed(() => session.value?.own.scopes ?? []);

/** Whether the key has this scope, by itself or with `admin`. */
export function may(scope: Scope): boolean {
  return scopes.value.includes(scope) || scopes.value.includes("admin");
}

/** The client of the session. Only what is shown to a signed-in user calls it. */
export function client(): Client<Tasks> {
  if (session.value === null) throw new Error("no key: sign in first");
  return session.value.client;
}

/** The key that an earlier visit has left. */
export function storedKey(): string | null {
  return sessionStorage.getItem(STORED) ?? localStorage.getItem(STORED);
}

/** Signs in. Throws the service's error where it refuses the key. */
export async function signIn(key: string, remember: boolean): Promise<void> {
  const made = clientFor(key);
  const own = await made.keys.self();
  forget();
  (remember ? localStorage : sessionStorage).setItem(STORED, key);
  signInWords.value = "";
  session.value = { key, client: made, own };
}

/** Signs in with the key of an earlier visit, and keeps it where it was. */
export async function resume(key: string): Promise<void> {
  await signIn(key, localStorage.getItem(STORED) === key);
}

/** Signs out. */
export function signOut(words = ""): void {
  forget();
  session.value = null;
  signInWords.value = words;
}

/** Signs out where the service no longer knows the key. */
export function checkKey(error: unknown): void {
  if (error instanceof UnauthorizedError) signOut("This key has ended: it was revoked, or has expired.");
}

function forget(): void {
  sessionStorage.removeItem(STORED);
  localStorage.removeItem(STORED);
}

function clientFor(key: string): Client<Tasks> {
  // No retries: the page itself asks again, and says at once when the service cannot be reached.
  return createClient({ baseUrl: BASE, apiKey: key, retries: 0, fetch: watched });
}

async function watched(url: string, init: RequestInit): Promise<Response> {
  try {
    const answer = await fetch(url, init);
    if (answer.status < 502) heard();
    else unheard();
    return answer;
  } catch (error) {
    if (!init.signal?.aborted) unheard();
    throw error;
  }
}
