/** Shows a secret the one time that the service tells it. */

import { signal } from "@preact/signals";
import { Copyable } from "../parts/as-code.tsx";
import { Modal } from "../shell/modal.tsx";

const secret = signal<{ title: string; text: string } | null>(null);

export function showSecret(title: string, text: string): void {
  secret.value = { title, text };
}

export function SecretDialog() {
  if (secret.value === null) return null;
  const { title, text } = secret.value;
  const close = () => (secret.value = null);
  return (
    <Modal title={title} close={close}>
      <h2>{title}</h2>
      <p>It is shown this once. Copy it now.</p>
      <Copyable text={text} label={title} />
      <div class="buttons">
        <button type="button" class="primary" onClick={close}>
          I have it
        </button>
      </div>
    </Modal>
  );
}
