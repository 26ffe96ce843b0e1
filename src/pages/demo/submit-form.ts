/** The form: takes the name of an item, and gives an accepted task or the reason why there is none. */

import { submitItem } from "./requests.ts";
import { accepted, type TrackedTask } from "./tracked-task.ts";

/** Wires `#submit`; `onAccepted` gets each new task. */
export function wireSubmitForm(onAccepted: (task: TrackedTask) => void): void {
  const form = document.querySelector<HTMLFormElement>("#submit")!;
  const input = form.querySelector<HTMLInputElement>("#name")!;
  const button = form.querySelector<HTMLButtonElement>("button")!;
  const status = form.querySelector<HTMLElement>("#submit-status")!;
  let busy = false;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  input.addEventListener("input", () => input.removeAttribute("aria-invalid"));

  async function submit(): Promise<void> {
    const name = input.value.trim();
    if (busy) return;
    if (name === "") {
      refuse("Give the item a name first.");
      input.setAttribute("aria-invalid", "true");
      return;
    }
    setBusy(true);
    const submittedAt = Date.now();
    const sentAt = performance.now();
    const answer = await submitItem(name);
    setBusy(false);
    if (!answer.ok) {
      refuse(answer.words);
      if (answer.status === 422) input.setAttribute("aria-invalid", "true");
      return;
    }
    const { id, links } = answer.value;
    status.classList.remove("refusal");
    status.textContent = `Accepted in ${Math.max(1, Math.round(performance.now() - sentAt))} ms. The work goes on below.`;
    input.value = "";
    input.focus();
    onAccepted(accepted({ id, links, name, submittedAt }));
  }

  function refuse(words: string): void {
    status.classList.add("refusal");
    status.textContent = words;
    input.focus();
  }

  function setBusy(now: boolean): void {
    busy = now;
    // Not `disabled`: that would take the focus away from a keyboard.
    button.setAttribute("aria-disabled", String(now));
  }
}
