/**
 * The rules of docs/schema-changes.md as code: what SQLite itself says that a migration changes, held against what the previous release relies on.
 */
import { constants, DatabaseSync } from "node:sqlite";

export interface Migration {
  /** Its file's name. */
  name: string;
  sql: string;
}

/** Tables with few rows, whatever the traffic. All others may be too large for a statement that reads or writes every row. */
const SMALL = new Set(["circuits", "drains", "keys", "lane_modes", "lanes", "schedules", "webhooks"]);

/** A comment above a statement: why the previous release's code works as before with what no check can judge. */
const TOLERATED = /^-- tolerated: \S/m;

/** First line of a migration that is applied after the upload: the release that is the first not to use what it removes. */
const CONTRACT = /^-- contract: (\d+\.\d+\.\d+)\n/;

interface Column {
  type: string;
  notnull: number;
  dflt_value: string | null;
  pk: number;
  hidden: number;
}

interface Thing {
  type: string;
  name: string;
  table: string;
  sql: string;
}

interface Schema {
  columns: Map<string, Column>;
  things: Map<string, Thing>;
}

/** Whether a migration is one for after the upload. */
export function isContract({ name }: Migration): boolean {
  return name.endsWith(".contract.sql");
}

/**
 * What is wrong with `next`, the migrations since the release `previous` (its version and its own migrations): a sentence for each fault.
 * Throws where SQLite refuses a migration.
 */
export function faultsOf(previous: { version: string; migrations: Migration[] }, next: Migration[]): string[] {
  const faults: string[] = [];
  const db = new DatabaseSync(":memory:");
  for (const { sql } of previous.migrations) db.exec(sql);
  const old = schemaOf(db);
  for (const migration of next.filter((each) => !isContract(each))) {
    faults.push(...expandFaults(db, old, migration).map((fault) => `${migration.name}: ${fault}`));
  }
  for (const migration of next.filter(isContract)) {
    faults.push(...contractFaults(db, previous.version, migration).map((fault) => `${migration.name}: ${fault}`));
  }
  // A new database gets them in the order of their numbers.
  const inOrder = new DatabaseSync(":memory:");
  for (const { sql } of [...previous.migrations, ...next]) inOrder.exec(sql);
  if (textOf(inOrder) !== textOf(db)) faults.push("the schema depends on when the contract migrations are applied");
  return faults;
}

function expandFaults(db: DatabaseSync, old: Schema, { sql }: Migration): string[] {
  const before = schemaOf(db);
  const changed = apply(db, sql);
  const after = schemaOf(db);
  const faults: string[] = [];

  for (const [key, column] of old.columns) {
    if (!before.columns.has(key)) continue;
    const now = after.columns.get(key);
    if (now === undefined) faults.push(`removes ${key}, which the previous release uses`);
    else if (JSON.stringify(now) !== JSON.stringify(column))
      faults.push(`changes ${key}, which the previous release uses`);
  }
  for (const [key, { notnull, dflt_value, hidden }] of after.columns) {
    const [table = ""] = key.split(".");
    if (before.columns.has(key) || !old.things.has(`table ${table}`)) continue;
    if (notnull === 1 && dflt_value === null)
      faults.push(`${key} must be nullable or have a constant default: the previous release does not write it`);
    if (hidden !== 0) faults.push(`${key} is a generated column, which the previous release would read back as data`);
  }
  for (const [key, thing] of old.things) {
    if (thing.type === "table" || !before.things.has(key)) continue;
    const now = after.things.get(key);
    if (now === undefined) faults.push(`drops the ${key}: that belongs into a contract migration`);
    else if (now.sql !== before.things.get(key)?.sql && !isTolerated(sql, thing.name))
      faults.push(`replaces the ${key} without saying why the previous release tolerates it (-- tolerated: …)`);
  }
  for (const [key, thing] of after.things) {
    if (before.things.has(key) || !old.things.has(`table ${thing.table}`)) continue;
    if (thing.type === "index") faults.push(...indexFaults(thing, sql));
    if (thing.type === "trigger" && !namesNewColumn(thing, old, after) && !isTolerated(sql, thing.name)) {
      faults.push(
        `the ${key} acts on rows that the previous release writes: give it a WHEN that names a new column, or say why that is tolerated (-- tolerated: …)`,
      );
    }
  }
  for (const table of changed) {
    if (!old.things.has(`table ${table}`)) continue;
    if (!SMALL.has(table)) faults.push(`changes the rows of ${table}: the clock does that, in chunks`);
    else if (!TOLERATED.test(sql))
      faults.push(
        `changes the rows of ${table} without saying why the previous release tolerates it (-- tolerated: …)`,
      );
  }
  return faults;
}

function indexFaults({ name, table, sql }: Thing, migration: string): string[] {
  const faults: string[] = [];
  if (/^CREATE UNIQUE/i.test(sql))
    faults.push(`the index ${name} is unique, so the previous release's writes may fail`);
  if (SMALL.has(table)) return faults;
  if (!/\bWHERE\b/i.test(sql))
    faults.push(`the index ${name} on ${table} must be partial: it would cost every row a write`);
  if (!/--/.test(commentAbove(migration, name)))
    faults.push(`the index ${name} on ${table} needs a comment above it that says what it costs to build and to keep`);
  return faults;
}

function contractFaults(db: DatabaseSync, version: string, { sql }: Migration): string[] {
  const release = CONTRACT.exec(sql)?.[1];
  const before = schemaOf(db);
  const changed = apply(db, sql);
  const after = schemaOf(db);
  const faults: string[] = [];
  if (release === undefined)
    faults.push("must begin with `-- contract: <the release that is the first not to use what it removes>`");
  else if (isLater(release, version))
    faults.push(`removes what the previous release, ${version}, still uses; ${release} must have been deployed first`);
  for (const key of before.columns.keys()) {
    const [table = ""] = key.split(".");
    if (after.columns.has(key) || !after.things.has(`table ${table}`) || SMALL.has(table)) continue;
    faults.push(`drops ${key}: SQLite rewrites every row for that, so let it stay, null`);
  }
  for (const key of after.things.keys()) {
    if (!before.things.has(key)) faults.push(`makes the ${key}: that belongs before the upload`);
  }
  for (const table of changed) {
    if (after.things.has(`table ${table}`)) faults.push(`changes the rows of ${table}: the clock does that, in chunks`);
  }
  return faults;
}

/** Applies a migration and answers the tables whose rows its own statements change. */
function apply(db: DatabaseSync, sql: string): Set<string> {
  const changed = new Set<string>();
  db.setAuthorizer((action, table, _column, _database, trigger) => {
    const isChange =
      action === constants.SQLITE_INSERT || action === constants.SQLITE_UPDATE || action === constants.SQLITE_DELETE;
    if (isChange && table !== null && trigger === null && !table.startsWith("sqlite_")) changed.add(table);
    return constants.SQLITE_OK;
  });
  try {
    db.exec(sql);
  } finally {
    db.setAuthorizer(null);
  }
  return changed;
}

function schemaOf(db: DatabaseSync): Schema {
  const all = db
    .prepare("SELECT type, name, tbl_name AS 'table', sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
    .all() as unknown as Thing[];
  const columns = new Map<string, Column>();
  for (const { name } of all.filter((thing) => thing.type === "table")) {
    for (const row of db.prepare(`SELECT * FROM pragma_table_xinfo(?)`).all(name)) {
      const { name: column, type, notnull, dflt_value, pk, hidden } = row as unknown as Column & { name: string };
      columns.set(`${name}.${column}`, { type, notnull, dflt_value, pk, hidden });
    }
  }
  return { columns, things: new Map(all.map((thing) => [`${thing.type} ${thing.name}`, thing])) };
}

function textOf(db: DatabaseSync): string {
  const { columns, things } = schemaOf(db);
  const rest = [...things.values()].filter((thing) => thing.type !== "table").map(({ sql }) => sql);
  return JSON.stringify([[...columns].map((column) => JSON.stringify(column)).toSorted(), rest]);
}

/** Its condition holds for no row of the previous release, which leaves a new column as it is. */
function namesNewColumn({ table, sql }: Thing, old: Schema, after: Schema): boolean {
  const when = /\bWHEN\b([^]*?)\bBEGIN\b/i.exec(sql)?.[1] ?? "";
  return [...after.columns.keys()].some((key) => {
    const [owner, column] = key.split(".");
    return owner === table && !old.columns.has(key) && new RegExp(`\\bNEW\\.${column}\\b`, "i").test(when);
  });
}

function isTolerated(sql: string, name: string): boolean {
  return TOLERATED.test(commentAbove(sql, name));
}

/** The comment lines right above the CREATE statement of this name. */
function commentAbove(sql: string, name: string): string {
  const lines = sql.split("\n");
  const at = lines.findIndex((line) => new RegExp(`^\\s*CREATE\\b.*\\b${name}\\b`, "i").test(line));
  const comment: string[] = [];
  for (let i = at - 1; i >= 0 && lines[i]?.startsWith("--"); i--) comment.unshift(lines[i] ?? "");
  return comment.join("\n");
}

function isLater(a: string, b: string): boolean {
  return a.localeCompare(b, "en", { numeric: true }) > 0;
}
