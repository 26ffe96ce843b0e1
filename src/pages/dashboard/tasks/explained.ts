/** Explanations of the tasks that a list shows: a few at a time, and none twice within some seconds. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Explanation } from "../../../contract/explanation.ts";
import { client } from "../session.ts";

const AT_ONCE = 3;
const FRESH_MS = 5_000;
const KEPT = 500;

/** By the task's id. */
const explanations = signal<ReadonlyMap<string, { at: number; explanation: Explanation | null }>>(new Map());

const wanted = new Set<string>();
let asking = 0;

/** Why this task waits; undefined until the service has told. `isWanted`: whether to ask at all. */
export function useExplanation(id: string, isWanted: boolean): Explanation | undefined {
  const known = explanations.value.get(id);
  const isOld = known === undefined || Date.now() - known.at > FRESH_MS;
  useEffect(() => {
    if (!isWanted || !isOld) return;
    wanted.add(id);
    askNext();
    return () => void wanted.delete(id);
  }, [id, isWanted, isOld]);
  return isWanted ? (known?.explanation ?? undefined) : undefined;
}

function askNext(): void {
  const [id] = wanted;
  if (id === undefined || asking >= AT_ONCE) return;
  wanted.delete(id);
  asking += 1;
  void explain(id).finally(() => {
    asking -= 1;
    askNext();
  });
  askNext();
}

async function explain(id: string): Promise<void> {
  // What cannot be explained now is asked for again later.
  const explanation = await client()
    .explain(id)
    .catch(() => null);
  const entries = [...explanations.value].filter(([other]) => other !== id).slice(-KEPT);
  explanations.value = new Map([...entries, [id, { at: Date.now(), explanation }]]);
}
