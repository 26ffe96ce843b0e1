/** Asks before anything is changed, and shows the call as a command and as code. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asked, faultWords, perform, type Act } from "../acts.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Modal } from "./modal.tsx";

export function ActDialog() {
  const act = asked.value;
  // Another act is another dialog.
  return act === null ? null : <Asking key={act.title} act={act} />;
}

function Asking({ act }: { act: Act }) {
  const [before, setBefore] = useState<{ words: ComponentChildren; isIdle: boolean } | null>(
    act.before === undefined ? { words: "", isIdle: false } : null,
  );
  const [fault, setFault] = useState("");
  const [isBusy, setBusy] = useState(false);
  const call = act.call();
  const close = () => (asked.value = null);

  useEffect(() => {
    act.before?.().then(setBefore, (error: unknown) => setFault(faultWords(error)));
  }, [act]);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setFault("");
    const wrong = await perform(act);
    if (wrong === null) return void close();
    setFault(wrong);
    setBusy(false);
  }

  const isReady = call !== null && before !== null && !before.isIdle && !isBusy;
  return (
    <Modal title={act.title} close={close}>
      <form onSubmit={(event) => void submit(event)} novalidate>
        <h2>{act.title}</h2>
        {act.words !== undefined && <div class="words">{act.words}</div>}
        {act.before !== undefined && (
          <div class="words" role="status">
            {before === null ? (fault === "" ? "Counting…" : "") : before.words}
          </div>
        )}
        {act.fields?.()}
        {fault !== "" && (
          <p class="refusal" role="alert">
            {fault}
          </p>
        )}
        <div class="buttons">
          <button type="submit" class={act.isDanger ? "primary danger" : "primary"} disabled={!isReady}>
            {act.verb}
          </button>
          <button type="button" class="quiet" onClick={close}>
            Go back
          </button>
        </div>
        {call !== null && <AsCode call={call} code={act.code()} />}
      </form>
    </Modal>
  );
}
