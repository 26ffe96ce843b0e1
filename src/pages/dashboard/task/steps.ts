/** Reads the steps of a task, and reads them again as they begin and end. */

import { useEffect } from "preact/hooks";
import type { TaskEvent } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { ONCE, usePolled } from "../polled.ts";
import { client } from "../session.ts";
import type { Step } from "./step.ts";

/** Reads the steps, and again whenever an event tells of one. */
export function useSteps({ id }: TaskResource, events: readonly TaskEvent[]): readonly Step[] {
  const read = usePolled(`steps ${id}`, (signal) => client().steps(id, { signal }).page(), ONCE);
  const told = events.findLast((event) => event.type === "step")?.seq;
  useEffect(() => {
    if (told !== undefined) read.refresh();
  }, [told]);
  // An older release wrote no times.
  return (read.data?.items ?? []).flatMap(({ startedAt, ...step }) =>
    startedAt === null ? [] : [{ ...step, startedAt }],
  );
}
