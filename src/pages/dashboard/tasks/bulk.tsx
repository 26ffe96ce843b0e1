/** Acts on the selected tasks, or on all that the filter finds. Each act counts them first, and changes nothing before it is confirmed. */

import { signal } from "@preact/signals";
import type { BulkFilter } from "../../../client/index.ts";
import { ask } from "../acts.ts";
import { literal } from "../call.ts";
import { CheckField } from "../parts/fields.tsx";
import { client } from "../session.ts";
import { many } from "../words.ts";
import { chooseNone } from "./selection.ts";

type Verb = "cancel" | "retry" | "delete";

/** `which`: of one task, and of several. */
const WORDS: Record<Verb, { title: string; done: string; which: [string, string] }> = {
  cancel: { title: "Cancel", done: "cancelled", which: ["has not ended", "have not ended"] },
  retry: {
    title: "Run again",
    done: "run again",
    which: ["failed, was cancelled or expired", "failed, were cancelled or expired"],
  },
  delete: { title: "Delete", done: "deleted", which: ["has ended", "have ended"] },
};

/** Asks whether to do it. `what` names the tasks. */
export function askBulk(verb: Verb, filter: BulkFilter<string>, what: string): void {
  const { title, done, which } = WORDS[verb];
  const undo = signal(false);
  const body = () => ({ filter, ...(verb === "cancel" && undo.value ? { undo: true } : {}) });
  ask({
    title: `${title}: ${what}`,
    verb: title,
    isDanger: verb !== "retry",
    before: async () => {
      const { matched } = await run(verb, filter, { dryRun: true });
      return { words: <Matched count={matched} which={which} done={done} />, isIdle: matched === 0 };
    },
    ...(verb === "cancel"
      ? { fields: () => <CheckField label="Undo the steps that have been completed" value={undo} /> }
      : {}),
    call: () => ({ method: "POST", path: `/v1/tasks/${verb}`, body: body() }),
    code: () => `await client.${verb}All(${literal(filter)});`,
    run: async () => {
      const { changed } = await run(verb, filter, undo.value ? { undo: true } : {});
      chooseNone();
      return `${many(changed, "task")} ${done}`;
    },
  });
}

function Matched({ count, which, done }: { count: number; which: [string, string]; done: string }) {
  const [one, several] = which;
  if (count === 0) {
    return (
      <p>
        <b data-matched>None of them</b> {one}, so nothing would be {done}.
      </p>
    );
  }
  return (
    <p>
      <b data-matched>{many(count, "task")}</b> {count === 1 ? one : several} and will be {done}.
    </p>
  );
}

function run(verb: Verb, filter: BulkFilter<string>, options: { dryRun?: boolean; undo?: boolean }) {
  switch (verb) {
    case "cancel":
      return client().cancelAll(filter, options);
    case "retry":
      return client().retryAll(filter, options);
    case "delete":
      return client().deleteAll(filter, options);
  }
}
