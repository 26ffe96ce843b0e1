/** Finds the descendants of a task: its children, their children, and so on. */

import { persistOr503 } from "./d1.ts";
import { readMemberIds } from "./flows/flows.ts";

/** Tasks that one statement looks at, each with the ids of its children. */
const STRETCH = 100;

/** Where a task has more descendants or generations than these, the descendants are looked for among all tasks. */
const MAX_KIN = 3_000;
const MAX_GENERATIONS = 20;

/** A JSON text of this many characters has more ids than that. */
const TOO_MANY = MAX_KIN * '"task_0123456789abcdefghjkmnpqrs",'.length + 2;

interface Elder {
  id: string;
  flowId: string | null;
  /** JSON array of ids. */
  children: string | null;
}

// A task with too many children is left out, like one that was deleted.
const ELDERS = `SELECT id, flow_id AS flowId, children FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND tenant = ?2 AND (children IS NULL OR length(children) < ${TOO_MANY})`;

const ONE = "SELECT id, flow_id AS flowId, children FROM tasks WHERE id = ?1 AND tenant = ?2";

/** Ids that include all that the task has spawned or, in its flow, released; null where it is gone. */
export async function readChildren(db: D1Database, tenant: string, id: string): Promise<string[] | null> {
  const elder = await persistOr503(() => db.prepare(ONE).bind(id, tenant).first<Elder>());
  return elder === null ? null : [...childrenOf(elder), ...(await readMembers(db, elder))];
}

/** Ids that include the task, the members of its flow and all their descendants; null where they are too many, or some are gone. */
export async function readDescendants(db: D1Database, tenant: string, id: string): Promise<string[] | null> {
  const first = await readChildren(db, tenant, id);
  if (first === null) return null;
  const found = new Set([id]);
  let generation = [...new Set(first)].filter((each) => each !== id);
  for (let i = 0; generation.length > 0; i++) {
    for (const each of generation) found.add(each);
    if (i === MAX_GENERATIONS || found.size > MAX_KIN) return null;
    const next = await readGeneration(db, tenant, generation, MAX_KIN - found.size);
    if (next === null) return null;
    generation = next.filter((each) => !found.has(each));
  }
  return [...found];
}

/** The children of all of these; null where there are more than `most`, or some of the elders are gone. */
async function readGeneration(
  db: D1Database,
  tenant: string,
  ids: readonly string[],
  most: number,
): Promise<string[] | null> {
  const children: string[] = [];
  for (let i = 0; i < ids.length; i += STRETCH) {
    const stretch = ids.slice(i, i + STRETCH);
    const read = db.prepare(ELDERS).bind(JSON.stringify(stretch), tenant);
    const { results } = await persistOr503(() => read.all<Elder>());
    // A task that was removed may have had children that are still there.
    if (results.length < stretch.length) return null;
    for (const elder of results) children.push(...childrenOf(elder));
    if (children.length > most) return null;
  }
  return children;
}

function childrenOf({ children }: Elder): string[] {
  return children === null ? [] : (JSON.parse(children) as string[]);
}

async function readMembers(db: D1Database, { flowId }: Elder): Promise<string[]> {
  return flowId === null ? [] : ((await readMemberIds(db, flowId)) ?? []);
}
