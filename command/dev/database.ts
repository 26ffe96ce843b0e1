/** The local database, brought to the schema of the code. */

import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Miniflare } from "miniflare";
import { STATE } from "./state-files.ts";

/** `wrangler dev` may have the same file open. */
const BUSY_MS = 5_000;

export interface Migration {
  name: string;
  statements: string[];
}

/** Runs statements, each with its values, in one transaction, and returns the rows of each. */
export type RunStatements = (statements: [sql: string, ...values: string[]][]) => Promise<unknown[][]>;

/** Applies pending migrations to the database that Miniflare runs. */
export async function applyMigrations(
  miniflare: Miniflare,
  migrations: readonly Migration[],
  binding = "DB",
): Promise<void> {
  const db = await miniflare.getD1Database(binding);
  await migrate(async (statements) => {
    const prepared = statements.map(([sql, ...values]) => db.prepare(sql).bind(...values));
    return (await db.batch(prepared)).map(({ results }) => results);
  }, migrations);
}

/**
 * Applies pending migrations to a database that an earlier release has left, in its file and before a runtime has it open: a Worker
 * on the earlier schema would answer requests and take tasks, and fail at them. A database that is not there yet is left out.
 */
export async function migrateFiles(persist: string, migrations: readonly Migration[]): Promise<void> {
  for (const file of globSync(join(persist, STATE, "d1/*/*.sqlite"))) {
    using database = new DatabaseSync(file, { timeout: BUSY_MS });
    if (!isOurs(database)) continue;
    await migrate(async (statements) => {
      database.exec("BEGIN IMMEDIATE");
      const rows = statements.map(([sql, ...values]) => database.prepare(sql).all(...values));
      database.exec("COMMIT");
      return rows;
    }, migrations);
  }
}

/** Whether a database is Lovage's: a project may have others. */
function isOurs(database: DatabaseSync): boolean {
  try {
    database.prepare("SELECT name, lease_until FROM d1_migrations, tasks LIMIT 0").all();
    return true;
  } catch {
    return false;
  }
}

/**
 * Applies pending migrations, each in a transaction with its record; to a new database all of them in one transaction, because
 * dozens of calls take long. The table is wrangler's, so that `wrangler d1 migrations` agrees.
 */
export async function migrate(run: RunStatements, migrations: readonly Migration[]): Promise<void> {
  const [, rows] = await run([
    [
      "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    ],
    ["SELECT name FROM d1_migrations"],
  ]);
  const applied = new Set((rows as { name: string }[]).map(({ name }) => name));
  const pending = migrations.filter(({ name }) => !applied.has(name)).map(withRecord);
  const transactions = applied.size > 0 || pending.length === 0 ? pending : [pending.flat()];
  for (const statements of transactions) await run(statements);
}

function withRecord({ name, statements }: Migration): [sql: string, ...values: string[]][] {
  return [...statements.map((sql): [string] => [sql]), ["INSERT INTO d1_migrations (name) VALUES (?)", name]];
}
