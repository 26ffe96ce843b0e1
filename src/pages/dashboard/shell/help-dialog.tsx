/** All keys. */

import { KEYS } from "./keyboard.ts";
import { Modal } from "./modal.tsx";
import { isHelpOpen } from "./open.ts";

export function HelpDialog() {
  if (!isHelpOpen.value) return null;
  const close = () => (isHelpOpen.value = false);
  return (
    <Modal title="Keys" close={close}>
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <div class="buttons">
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      </div>
    </Modal>
  );
}
