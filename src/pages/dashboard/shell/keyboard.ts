/** The page's keys. A view adds its own while it is shown. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { go } from "../address.ts";
import { asked } from "../acts.ts";
import { session } from "../session.ts";
import { isHelpOpen, isPaletteOpen } from "./open.ts";

/** All of them, for the help. */
export const KEYS = [
  ["/", "to the filter"],
  ["j k", "the next row, the one before"],
  ["enter", "open the row"],
  ["o", "open the row beside the list"],
  ["x", "select the row"],
  ["c r d", "cancel, retry, delete: the selection, the row, or the task that is shown"],
  ["m n p s", "change, run now, pause or resume, send a signal to the task that is shown"],
  ["e", "to the first failure: of the list, or of the flow"],
  ["l", "let the list move again"],
  [".", "copy what is shown as a curl line"],
  ["esc", "leave the row, drop the selection, close what is beside"],
  ["g n", "Now"],
  ["g t", "Tasks"],
  ["g f", "Flows"],
  ["g e", "Errors"],
  ["g i", "Inbox"],
  ["g s", "Schedules"],
  ["g l", "Limits and lanes"],
  ["g w", "Webhooks"],
  ["g k", "Keys and audit"],
  ["g u", "Submit"],
  ["ctrl-k", "find anything by name"],
  ["?", "these keys"],
] as const;

const GO: Record<string, string> = {
  n: "now",
  t: "tasks",
  f: "flows",
  s: "schedules",
  l: "limits",
  w: "webhooks",
  k: "keys",
  u: "submit",
  e: "errors",
  i: "inbox",
};

type Keys = Readonly<Record<string, () => void>>;

/** The keys of the components that are shown, the latest first. */
const shown: { current: Keys }[] = [];

/** Adds keys while the component is shown. */
export function useKeys(keys: Keys): void {
  const holder = useRef(keys);
  // Both take effect before the paint, because the next key may come earlier.
  holder.current = keys;
  useLayoutEffect(() => {
    shown.unshift(holder);
    return () => void shown.splice(shown.indexOf(holder), 1);
  }, []);
}

let isGoing = false;

/** Starts listening; returns a function that stops it. */
export function listenToKeys(): () => void {
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

function pressed(event: KeyboardEvent): void {
  if (session.value === null) return;
  if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    isPaletteOpen.value = !isPaletteOpen.value;
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || asked.value !== null) return;
  if (isPaletteOpen.value || isHelpOpen.value) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") (event.target as HTMLElement).blur();
    return;
  }
  if (isGoing) {
    isGoing = false;
    const view = GO[event.key];
    if (view !== undefined) {
      event.preventDefault();
      go(`#/${view}`);
      return;
    }
  }
  if (event.key === "g") {
    isGoing = true;
    return;
  }
  if (event.key === "?") {
    isHelpOpen.value = true;
    return;
  }
  // A link or a button that has the focus takes its own Enter.
  if (event.key === "Enter" && event.target instanceof Element && event.target.closest("a, button, summary") !== null)
    return;
  const act = (shown.find(({ current }) => event.key in current)?.current ?? ROWS)[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

/** In a view that has no keys of its own for its rows: the first link of each gets the focus, and opens by Enter. */
const ROWS: Keys = { j: () => toRow(1), k: () => toRow(-1) };

function toRow(step: number): void {
  const links = [...document.querySelectorAll("main tbody tr")].map((row) =>
    row.querySelector<HTMLElement>("a, button"),
  );
  const rows = links.filter((link) => link !== null);
  const at = rows.findIndex((link) => link.closest("tr")!.contains(document.activeElement));
  rows[Math.max(0, Math.min(rows.length - 1, at + step))]?.focus();
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
