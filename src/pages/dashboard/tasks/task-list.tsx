/** The list of tasks: live, filtered by what the address says, and still while the user looks at a row. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { FeedFrame, Page, Pages, TaskFilter } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { change, here } from "../address.ts";
import { literal, pathWith, type Call } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { isFed, useFeed } from "../feed.ts";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";
import { many } from "../words.ts";
import { BulkBar } from "./bulk-bar.tsx";
import { ColumnPicker } from "./column-picker.tsx";
import { columnsOf, USUAL, USUAL_BESIDE } from "./columns.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { filterOf, termsOf, textOf } from "./filter.ts";
import { afterReading } from "./live-list.ts";
import { NothingFound } from "./nothing-found.tsx";
import { chooseNone, isAnyChosen } from "./selection.ts";
import { TaskTable } from "./task-table.tsx";

const LIMIT = 50;
/** The most calls that look for the first task that the filter finds. */
const CALLS = 5;
const EVERY_MS = 2_000;
/** The interval while the feed reports every change. */
const FED_MS = 15_000;
const STATS_MS = 30_000;
const COUNT_MS = 15_000;

const SORTS = [
  ["finished", "latest end first"],
  ["duration", "longest run first"],
] as const;

export function TaskList() {
  const { query } = here.value;
  const cursor = query.get("cursor");
  // Another way of writing the same filter is the same list.
  const terms = termsOf(query.get("f") ?? "");
  const text = textOf(terms);
  const { filter } = filterOf(terms, Date.now());

  const sort = SORTS.find(([name]) => name === query.get("sort"))?.[0];
  const key = `${text} ${cursor ?? ""} ${sort ?? ""}`;

  const list = usePolled(
    `tasks ${key}`,
    () => firstFound(client().list(filter, { limit: LIMIT, sort }), cursor),
    isFed.value ? FED_MS : EVERY_MS,
  );
  const count = usePolled(`count ${text}`, (signal) => client().count(filter, { signal }), COUNT_MS);
  useFeed((frame) => {
    if (concerns(frame, filter, list.data?.items ?? [])) list.refresh();
  });
  const stats = usePolled("stats", (signal) => client().stats({ signal }), STATS_MS);
  const { rows, waiting, hold, release } = useHeld(list.data?.items, key);

  useEffect(() => chooseNone, [text]);

  const shown = { ...filter, limit: LIMIT, sort, cursor: cursor ?? undefined };
  const { tags = {}, ...rest } = shown;
  const byTag = Object.fromEntries(Object.entries(tags).map(([name, value]) => [`tag.${name}`, value]));
  const call: Call = { method: "GET", path: pathWith("/v1/tasks", { ...rest, ...byTag }) };
  useKeys({ l: release });

  const usual = query.has("beside") ? USUAL_BESIDE : USUAL;
  const seenTags = [...new Set(rows.flatMap((task) => Object.keys(task.tags)))];
  return (
    <>
      <h1 class="unseen">Tasks</h1>
      <div class="bar">
        <FilterBar text={text} stats={stats.data} tags={seenTags} />
        <select
          aria-label="Order"
          value={sort ?? ""}
          onChange={(event) => change({ sort: event.currentTarget.value, cursor: undefined })}
        >
          <option value="">newest first</option>
          {SORTS.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
        <ColumnPicker />
      </div>
      <BulkBar filter={filter} text={text} />
      <div class="live" role="status">
        {waiting > 0 && (
          <button type="button" class="quiet" onClick={release}>
            {many(waiting, "new", "new")}
          </button>
        )}
      </div>
      <Loaded from={list}>
        {(page) =>
          rows.length === 0 && page.nextCursor === null ? (
            <NothingFound terms={terms} />
          ) : (
            <>
              <TaskTable rows={rows} columns={columnsOf(query.get("cols") ?? usual)} label="Tasks" onHold={hold} />
              {count.data !== undefined && (
                <p class="total soft">
                  {count.data.isExact ? "" : "about "}
                  {many(count.data.estimate, "task")}
                </p>
              )}
              <Pager nextCursor={page.nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={call}
        code={`for await (const task of client.list(${literal(filter)})) console.log(task.id, task.state);`}
      />
    </>
  );
}

/** The first page that holds anything, or the last of a few: a call looks at a bounded number of tasks. */
async function firstFound(pages: Pages<TaskResource>, cursor: string | null): Promise<Page<TaskResource>> {
  let page = await pages.page(cursor);
  for (let n = 1; n < CALLS && page.items.length === 0 && page.nextCursor !== null; n++) {
    page = await pages.page(page.nextCursor);
  }
  return page;
}

/** Whether a change may be one of this list. */
function concerns({ changed, missed }: FeedFrame, filter: TaskFilter<string>, rows: readonly TaskResource[]): boolean {
  if (missed) return true;
  const shown = new Set(rows.map(({ id }) => id));
  const fits = ({ task, lane }: FeedFrame["changed"][number]) =>
    (filter.task ?? task) === task && (filter.lane ?? lane) === lane;
  return changed.some((each) => shown.has(each.id) || fits(each));
}

/** The rows that are shown, which stay where they are while the user looks at one, or has selected any. */
function useHeld(read: readonly TaskResource[] | undefined, key: string) {
  const [isHeld, setHeld] = useState(false);
  const shown = useRef<{ key: string; rows: readonly TaskResource[] }>({ key, rows: [] });
  const stays = (isHeld || isAnyChosen.value) && shown.current.key === key;
  const { rows, waiting } = afterReading(shown.current.rows, read ?? [], stays);
  shown.current = { key, rows };

  function release(): void {
    shown.current = { key, rows: [] };
    setHeld(false);
    chooseNone();
  }

  return { rows, waiting, hold: setHeld, release };
}
