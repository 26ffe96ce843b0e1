/** What changes something: always asked for in a dialog, which shows the call. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Call } from "./call.ts";
import { changes } from "./reach.ts";
import { checkKey } from "./session.ts";

export interface Act {
  title: string;
  /** What the button says. */
  verb: string;
  isDanger?: boolean;
  /** What is about to happen. */
  words?: ComponentChildren;
  /** Fields, whose signals `call`, `code` and `run` read. */
  fields?: () => ComponentChildren;
  /** Null while the fields are not right. */
  call: () => Call | null;
  /** The same with the typed client. */
  code: () => string;
  /** Answers what is to be said afterwards. */
  run: () => Promise<string>;
  /** Read before anybody is asked, such as how many tasks it would change. */
  before?: () => Promise<ComponentChildren>;
}

/** What is asked for now. */
export const asked = signal<Act | null>(null);

/** What was done last, for a while. */
export const said = signal<{ words: string; isFault: boolean } | null>(null);

export function ask(act: Act): void {
  asked.value = act;
}

let timer = 0;

/** Says something at the edge of the page. */
export function say(words: string, isFault = false): void {
  said.value = { words, isFault };
  clearTimeout(timer);
  timer = window.setTimeout(() => (said.value = null), isFault ? 12_000 : 5_000);
}

/** Runs an act and says what came of it; answers why it failed, null where it did not. */
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
