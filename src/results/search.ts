/**
 * Finds tasks by words, among those whose definitions ask for it. The index and the triggers that fill it are made with the first
 * such task and not by a migration, because `wrangler d1 export` refuses a database that has a table of this kind.
 */

import { OBJECT } from "../core/wake.ts";
import { type Batch, persistOr503 } from "./d1.ts";

/** Characters of an input, and of an error message, whose words are kept. */
const KEPT = { input: 4_000, message: 2_000 };

const WORDS = `COALESCE((SELECT group_concat(value, ' ') FROM json_each(NEW.tags)), '') || ' ' || substr(COALESCE((
    SELECT group_concat(atom, ' ') FROM json_tree(CASE WHEN json_valid(NEW.input) THEN NEW.input ELSE 'null' END)
    WHERE atom IS NOT NULL), ''), 1, ${KEPT.input}) || ' ' || substr(COALESCE(NEW.error ->> 'message', ''), 1, ${KEPT.message})`;

/** The full-text index finds a row only by its words, so the id without its prefix is stored as one. */
const rowOf = (task: "NEW" | "OLD") =>
  `rowid = (SELECT rowid FROM task_search WHERE task_search MATCH 'id : "' || substr(${task}.id, 6) || '"')`;

/** The tenant is stored as a word of hexadecimal digits, because its name may hold characters that separate words. */
const SCHEMA = [
  `CREATE VIRTUAL TABLE IF NOT EXISTS task_search
   USING fts5 (id, owner, words, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2')`,
  `CREATE TRIGGER IF NOT EXISTS search_made AFTER INSERT ON tasks WHEN NEW.object & ${OBJECT.searchable}
   BEGIN
     INSERT INTO task_search (id, owner, words) VALUES (substr(NEW.id, 6), 't' || hex(NEW.tenant), ${WORDS});
   END`,
  `CREATE TRIGGER IF NOT EXISTS search_changed AFTER UPDATE OF input, tags, error ON tasks
   WHEN NEW.object & ${OBJECT.searchable}
     AND (NEW.input IS NOT OLD.input OR NEW.tags IS NOT OLD.tags OR NEW.error IS NOT OLD.error)
   BEGIN
     UPDATE task_search SET words = ${WORDS} WHERE ${rowOf("NEW")};
   END`,
  `CREATE TRIGGER IF NOT EXISTS search_gone AFTER DELETE ON tasks WHEN OLD.object & ${OBJECT.searchable}
   BEGIN
     DELETE FROM task_search WHERE ${rowOf("OLD")};
   END`,
];

// Only saves statements: where the database lacks the index nevertheless, the next isolate makes it.
let isMade = false;

/** Gives a row once the last batch that had the statements has run. */
let made: () => object | null = () => null;

/** Adds the statements that make the index, where one of these tasks is the first that needs it. Comes before the tasks are stored. */
export function addIndex(batch: Batch, db: D1Database, tasks: readonly { object?: number }[]): void {
  if (isMade || !tasks.some(({ object = 0 }) => object & OBJECT.searchable)) return;
  isMade = made() !== null;
  if (isMade) return;
  batch.add(...SCHEMA.map((statement) => db.prepare(statement)));
  made = batch.first(db.prepare("SELECT 1 AS made"));
}

/** The most tasks that words find: the newest of them. */
export const MAX_FOUND = 2_000;

/** Whether more tasks hold all of these words than {@link readFound} answers. */
export async function findsTooMany(db: D1Database, tenant: string, words: readonly string[]): Promise<boolean> {
  return (await find(db, tenant, words, MAX_FOUND + 1)).length > MAX_FOUND;
}

/** Ids of the tenant's tasks that hold all of these words, the newest of them; none where no task has ever been searchable. */
export async function readFound(db: D1Database, tenant: string, words: readonly string[]): Promise<string[]> {
  return find(db, tenant, words, MAX_FOUND);
}

async function find(db: D1Database, tenant: string, words: readonly string[], most: number): Promise<string[]> {
  const owner = new TextEncoder().encode(tenant).toHex().toUpperCase();
  const match = `owner : "t${owner}" AND words : (${words.map((word) => `"${word}"`).join(" AND ")})`;
  const statement = db
    .prepare("SELECT 'task_' || id AS id FROM task_search WHERE task_search MATCH ?1 ORDER BY rowid DESC LIMIT ?2")
    .bind(match, most);
  try {
    const { results } = await persistOr503(() => statement.all<{ id: string }>());
    return results.map((row) => row.id);
  } catch (error) {
    if (String(error).includes("no such table: task_search")) return [];
    throw error;
  }
}
