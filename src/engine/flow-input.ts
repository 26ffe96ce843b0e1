/** What a member of a flow is given when it starts: the results that it needs, read where they are. */

import type { Source } from "../core/flow.ts";
import { fillIn, taskIdsOf, valueOf, type Known } from "../core/flow-value.ts";
import { persist } from "../results/d1.ts";
import type { FlowNode } from "../results/flow-node.ts";
import { readEnds, readFailure } from "../results/flows.ts";

/** The input of a flow's member, given what is written in its row (undefined where nothing is). */
export async function flowInput(
  env: Env,
  task: { id: string; flowId: string | null },
  written: unknown,
): Promise<unknown> {
  const text = await persist(() =>
    env.DB.prepare("SELECT json(node) AS node FROM tasks WHERE id = ?1").bind(task.id).first<string>("node"),
  );
  const node = JSON.parse(text ?? "{}") as FlowNode;
  if (written === undefined) {
    return node.passed === undefined ? undefined : valueOf(node.passed, await know(env, task.flowId, [node.passed]));
  }
  if (node.from === undefined) return written;
  const known = await know(env, task.flowId, Object.values(node.from));
  const values = Object.entries(node.from).map(([name, source]) => [name, valueOf(source, known)]);
  return fillIn(written, Object.fromEntries(values) as Record<string, unknown>);
}

async function know(env: Env, flowId: string | null, sources: Source[]): Promise<Known> {
  const ids = sources.flatMap(taskIdsOf);
  const asksWhy = flowId !== null && sources.some((source) => typeof source === "object" && "failure" in source);
  return {
    ended: ids.length > 0 ? await readEnds(env.DB, ids) : new Map(),
    failure: asksWhy ? await readFailure(env.DB, flowId) : null,
  };
}
