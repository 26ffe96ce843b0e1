/** What can be done with the selection. */

import type { BulkFilter, TaskFilter } from "../../../client/index.ts";
import { may } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";
import { many } from "../words.ts";
import { askBulk } from "./bulk.tsx";
import { chooseNone, chosen, isAllChosen, isAnyChosen, marked } from "./selection.ts";

export function BulkBar({ filter, text }: { filter: TaskFilter<string>; text: string }) {
  const act = (verb: "cancel" | "retry" | "delete") => () => {
    if (isAllChosen.value) return askBulk(verb, filter, `all that ${text} finds`);
    const ids = isAnyChosen.value ? [...chosen.value] : [marked.value].filter((id) => id !== null);
    const by: BulkFilter<string> = { ids };
    if (ids.length > 0) askBulk(verb, by, isAnyChosen.value ? many(ids.length, "selected task") : `the task ${ids[0]}`);
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
