/** Announces changes to screen readers only. */

const MAX_LINES = 5;

/** Adds a line to the page's live region; nothing for an empty one. */
export function announce(words: string): void {
  if (words === "") return;
  const region = document.querySelector<HTMLElement>("#announcements")!;
  const line = document.createElement("p");
  line.textContent = words;
  region.append(line);
  while (region.childElementCount > MAX_LINES) region.firstElementChild?.remove();
}
