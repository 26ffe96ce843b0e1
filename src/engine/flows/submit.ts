/** Submits flows: the whole graph is checked before anything is stored. */

import { IDEMPOTENCY_MS } from "../../core/bounds.ts";
import { insertFlow, type NewFlow } from "../../results/flows/flows.ts";
import { announce } from "../announce.ts";
import { demandAccepting } from "../lanes/drain.ts";
import { compileFlow } from "./rows.ts";
import type { Origin } from "../prepare.ts";
import { findMade, madeBefore, type Made, type RequestKey } from "../request-key.ts";
import type { Background } from "../store.ts";
import { storeCounted, takeIn } from "../take-in.ts";

interface SubmittedFlow {
  id: string;
  made: NewFlow | null;
  isOwn: boolean;
}

/**
 * Stores the flow and sends messages for the tasks that start it. Returns its id; `made`: the flow, or null where an earlier request
 * has made it; `isOwn`: whether this request or one of the same API key has made it. Throws a 422 with every fault of the graph.
 */
export async function submitFlow(
  env: Env,
  background: Background,
  body: unknown,
  origin: Origin,
  request: RequestKey | null,
  now: number,
): Promise<SubmittedFlow> {
  let flow: NewFlow;
  try {
    flow = await compileFlow(env, body, origin, now);
    // The tasks of `onError` count too: when the flow fails and they are stored, they can no longer be refused.
    await takeIn(env, origin.tenant, [...flow.tasks, ...flow.onError], now);
  } catch (refusal) {
    const earlier = await findMade<string>(env, request, now);
    if (earlier !== null) return replayOf(earlier);
    throw refusal;
  }
  const lanes = [...new Set([...flow.tasks, ...flow.onError].map((task) => task.lane))];
  const made = JSON.stringify(flow.id);
  const claim = request === null ? undefined : { ...request, made, now, expiresAt: now + IDEMPOTENCY_MS, lanes };
  const store = async () => {
    for (;;) {
      const inserted = await insertFlow(env.DB, flow, lanes, claim);
      const { stored, remembered } = inserted;
      const earlier =
        request !== null && remembered !== null && remembered.made !== made
          ? madeBefore<string>(request, remembered)
          : null;
      if (stored || earlier !== null) return { ...inserted, earlier };
      await demandAccepting(env, lanes, now);
    }
  };
  const inserted = await storeCounted([...flow.tasks, ...flow.onError], store, ({ earlier }) => earlier === null);
  if (inserted.earlier !== null) return replayOf(inserted.earlier);
  background.waitUntil(announce(env, { moved: flow.tasks, raised: inserted.raised, lookAt: flow.deadline }, now));
  return { id: flow.id, made: flow, isOwn: true };
}

function replayOf({ made: id, isOwn }: Made<string>): SubmittedFlow {
  return { id, made: null, isOwn: isOwn(id) };
}
