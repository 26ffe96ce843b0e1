/**
 * Makes `src/results/triggers.sql`: every trigger as it stands after all migrations, which change some more than once.
 *
 *   node scripts/triggers.ts           writes it
 *   node scripts/triggers.ts --check   fails if it differs
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

const PATH = "src/results/triggers.sql";

const db = new DatabaseSync(":memory:");
for (const path of globSync("src/results/migrations/*.sql").toSorted()) db.exec(readFileSync(path, "utf8"));

const triggers = db
  .prepare("SELECT tbl_name AS of, name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY tbl_name, name")
  .all() as { of: string; name: string; sql: string }[];

const text = `-- Every trigger as it stands after all migrations. To be read, not run: made by \`node scripts/triggers.ts\`.
${triggers.map(({ sql }) => `\n${sql};\n`).join("")}`;

if (!process.argv.includes("--check")) writeFileSync(PATH, text);
else if (readFileSync(PATH, "utf8") !== text) {
  console.error(`${PATH} is not what the migrations make; run \`node scripts/triggers.ts\``);
  process.exitCode = 1;
}
