/** Finds the tasks that go back to a task: its children, and theirs. */

import { persistOr503 } from "./d1.ts";
import { readMemberIds } from "./flows/flows.ts";

/** Tasks that one statement looks at, and how many may go back to one task before they are looked for among all. */
const STRETCH = 1_500;
const MAX_KIN = 3_000;

interface Elder {
  id: string;
  flowId: string | null;
  /** JSON array of ids. */
  children: string | null;
}

const ELDERS = `SELECT id, flow_id AS flowId, children FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND tenant = ?2`;

/** Ids that include all that the task has spawned or, in its flow, released; null where it is gone. */
export async function readChildren(db: D1Database, tenant: string, id: string): Promise<string[] | null> {
  const [elder] = await readElders(db, tenant, [id]);
  if (elder === undefined) return null;
  return [...childrenOf(elder), ...(await readMembers(db, elder))];
}

/** Ids that include the task, its flow, and all that goes back to them; null where they are too many, or some of them are gone. */
export async function readDescendants(db: D1Database, tenant: string, id: string): Promise<string[] | null> {
  const [root] = await readElders(db, tenant, [id]);
  if (root === undefined) return null;
  const found = new Set([id]);
  let generation = [...new Set([...childrenOf(root), ...(await readMembers(db, root))])].filter((each) => each !== id);
  while (generation.length > 0) {
    for (const each of generation) found.add(each);
    if (found.size > MAX_KIN) return null;
    const elders: Elder[] = [];
    for (let i = 0; i < generation.length; i += STRETCH) {
      elders.push(...(await readElders(db, tenant, generation.slice(i, i + STRETCH))));
    }
    // Who was removed may have had children that are still there.
    if (elders.length < generation.length) return null;
    generation = elders.flatMap(childrenOf).filter((each) => !found.has(each));
  }
  return [...found];
}

async function readElders(db: D1Database, tenant: string, ids: string[]): Promise<Elder[]> {
  const elders = db.prepare(ELDERS).bind(JSON.stringify(ids), tenant);
  return (await persistOr503(() => elders.all<Elder>())).results;
}

function childrenOf({ children }: Elder): string[] {
  return children === null ? [] : (JSON.parse(children) as string[]);
}

async function readMembers(db: D1Database, { flowId }: Elder): Promise<string[]> {
  return flowId === null ? [] : ((await readMemberIds(db, flowId)) ?? []);
}
