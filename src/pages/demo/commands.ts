/** The curl examples: with this deployment's address, and with copy buttons. */

const COPIED_FOR_MS = 2_000;

/** Puts the page's own address into the commands, and shows the copy buttons where a browser lets them work. */
export function wireCommands(): void {
  for (const origin of document.querySelectorAll("[data-origin]")) origin.textContent = location.origin;
  // Outside https and localhost there is no clipboard.
  if (!window.isSecureContext) return;
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
    const command = button.parentElement?.querySelector("[data-command]");
    button.hidden = false;
    button.addEventListener("click", () => {
      void navigator.clipboard.writeText(command?.textContent ?? "").then(
        () => tell(button, "Copied"),
        () => tell(button, "Not allowed"),
      );
    });
  }
}

function tell(button: HTMLButtonElement, words: string): void {
  button.textContent = words;
  setTimeout(() => {
    button.textContent = "Copy";
  }, COPIED_FOR_MS);
}
