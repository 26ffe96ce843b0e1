/** Tasks that only wait: how many of them run at once. */
import { observe } from "../load/observe.ts";
import { demand, type Measure } from "./measure.ts";

export const sleeps: Measure = async ({ service }, { sleeps: { count, ms } }) => {
  const startedAt = performance.now();
  const ids = await Promise.all(Array.from({ length: count }, () => service.submit("sleep", { ms })));
  const seen = await observe((id) => service.look(id), ids, { restMs: 10, maxMs: 60_000 });
  demand(seen.open === 0 && seen.unsuccessful === 0, `${seen.open} have not ended, ${seen.unsuccessful} have failed`);
  return [{ measure: "sleeps", figures: { tasks: count, totalS: (seen.lastEndAt - startedAt) / 1_000 } }];
};
