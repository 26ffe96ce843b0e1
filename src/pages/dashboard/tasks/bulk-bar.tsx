/** What can be done with the selection. */

import type { BulkFilter, TaskFilter } from "../../../client/index.ts";
import { may } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";
import { many } from "../words.ts";
import { askBulk } from "./bulk.tsx";
import { chooseNone, chosen, isAllChosen, isAnyChosen } from "./selection.ts";

export function BulkBar({ filter, text }: { filter: TaskFilter<string>; text: string }) {
  const act = (verb: "cancel" | "retry" | "delete") => () => {
    if (!isAnyChosen.value) return;
    const ids = [...chosen.value];
    const by: BulkFilter<string> = isAllChosen.value ? filter : { ids };
    askBulk(verb, by, isAllChosen.value ? `all that ${text} finds` : many(ids.length, "selected task"));
  };
  const [cancel, retry, remove] = [act("cancel"), act("retry"), act("delete")];
  useKeys(may("cancel") ? { c: cancel, r: retry, d: remove } : {});

  if (!may("cancel") || !isAnyChosen.value) return null;
  return (
    <div class="bulk" role="region" aria-label="Selection">
      <span class="count">
        {isAllChosen.value ? `All that the filter finds` : `${many(chosen.value.size, "task")} selected`}
      </span>
      {!isAllChosen.value && text !== "" && (
        <button type="button" class="quiet" onClick={() => (isAllChosen.value = true)}>
          Select all that the filter finds
        </button>
      )}
      <button type="button" class="quiet" onClick={cancel}>
        Cancel…
      </button>
      <button type="button" class="quiet" onClick={retry}>
        Run again…
      </button>
      <button type="button" class="quiet" onClick={remove}>
        Delete…
      </button>
      <button type="button" class="quiet" onClick={chooseNone}>
        Select none
      </button>
    </div>
  );
}
