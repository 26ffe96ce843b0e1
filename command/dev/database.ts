/** The local database, brought to the schema of the code. */

import type { Miniflare } from "miniflare";

export interface Migration {
  name: string;
  statements: string[];
}

/** Applies pending migrations, each in a transaction with its record. The table is wrangler's, so that `wrangler d1 migrations` agrees. */
export async function applyMigrations(
  miniflare: Miniflare,
  migrations: readonly Migration[],
  binding = "DB",
  worker?: string,
): Promise<void> {
  const db = await miniflare.getD1Database(binding, worker);
  await db.exec(
    "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
  );
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const applied = new Set(results.map((row) => row.name));
  for (const { name, statements } of migrations) {
    if (applied.has(name)) continue;
    await db.batch([
      ...statements.map((sql) => db.prepare(sql)),
      db.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
}
