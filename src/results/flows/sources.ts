/** Values that several members of a flow take: they are stored once, in the flow's row, and the members name them by their numbers. */

import { numbersIn, type StoredSource } from "../../core/flows/share.ts";
import { persist } from "../d1.ts";

export type SharedSources = Map<number, StoredSource>;

// A join with the whole list, so that the sources are read once, however many are asked for.
const PART = `
SELECT entry.key AS number, CASE entry.type WHEN 'text' THEN json_quote(entry.value) ELSE entry.value END AS source
FROM flows, json_each(flows.sources) AS entry
WHERE flows.id = ?1 AND entry.key IN (SELECT value FROM json_each(?2))`;

/** The values of the flow with these numbers, and with the numbers that those values name. */
export async function readSources(db: D1Database, flowId: string, numbers: number[]): Promise<SharedSources> {
  const known: SharedSources = new Map();
  for (let wanted = new Set(numbers); wanted.size > 0;) {
    const asked = JSON.stringify([...wanted]);
    const { results } = await persist(() =>
      db.prepare(PART).bind(flowId, asked).all<{ number: number; source: string }>(),
    );
    if (results.length < wanted.size)
      throw new Error(`the flow ${flowId} lacks one of its sources ${asked.slice(0, 100)}`);
    const found = results.map((row): [number, StoredSource] => [row.number, JSON.parse(row.source) as StoredSource]);
    for (const [number, source] of found) known.set(number, source);
    wanted = new Set(found.flatMap(([, source]) => numbersIn(source)).filter((number) => !known.has(number)));
  }
  return known;
}

/** All values of those of these flows whose values have at most `bytes` together. */
export async function readSmallSources(
  db: D1Database,
  flowIds: string[],
  bytes: number,
): Promise<Map<string, SharedSources>> {
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT id, json(sources) AS sources FROM flows
         WHERE id IN (SELECT value FROM json_each(?1)) AND octet_length(sources) <= ?2`,
      )
      .bind(JSON.stringify(flowIds), bytes)
      .all<{ id: string; sources: string }>(),
  );
  return new Map(
    results.map((row) => [row.id, new Map((JSON.parse(row.sources) as StoredSource[]).entries())] as const),
  );
}
