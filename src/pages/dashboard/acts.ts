/** Acts that change something: each is confirmed in a dialog, which shows the call. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Call } from "./call.ts";
import { changes } from "./reach.ts";
import { checkKey } from "./session.ts";

export interface Act {
  title: string;
  /** The text of the button. */
  verb: string;
  isDanger?: boolean;
  /** What is about to happen. */
  words?: ComponentChildren;
  /** Fields, whose signals `call`, `code` and `run` read. */
  fields?: () => ComponentChildren;
  /** Null while the fields are not right. */
  call: () => Call | null;
  /** The same call with the typed client. */
  code: () => string;
  /** Returns the message to show afterwards. */
  run: () => Promise<string>;
  /** Read before the dialog asks, such as how many tasks it would change. `isIdle`: it would change nothing. */
  before?: () => Promise<{ words: ComponentChildren; isIdle: boolean }>;
}

/** The act that the dialog asks about; null where none is open. */
export const asked = signal<Act | null>(null);

/** The message of the last act, shown for a while. */
export const said = signal<{ words: string; isFault: boolean } | null>(null);

export function ask(act: Act): void {
  asked.value = act;
}

let timer = 0;

/** Shows a message at the edge of the page. */
export function say(words: string, isFault = false): void {
  said.value = { words, isFault };
  clearTimeout(timer);
  timer = window.setTimeout(() => (said.value = null), isFault ? 12_000 : 5_000);
}

/** Runs an act and shows its message. Returns why it failed; null where it did not. */
export async function perform(act: Act): Promise<string | null> {
  try {
    say(await act.run());
    changes.value += 1;
    return null;
  } catch (error) {
    checkKey(error);
    return faultWords(error);
  }
}

/** What is wrong, in the service's own words. */
export function faultWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errors, detail } = error as { errors?: { pointer: string; detail: string }[]; detail?: string };
  const more = (errors ?? []).slice(0, 5).map((each) => `${each.pointer}: ${each.detail}`);
  return [detail ?? error.message, ...more].join("\n");
}

/** Copies text, and says so. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    say("The browser does not let this page copy. Select the text instead.", true);
  }
}
