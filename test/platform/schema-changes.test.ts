/** docs/schema-changes.md, held against every migration since the previous release. */
import { beforeAll, describe, expect, it } from "vitest";
import { migrationsIn, PREVIOUS, previousSource } from "./previous-release.ts";
import { faultsOf, type Migration } from "./schema-rules.ts";

let previous: { version: string; migrations: Migration[] };

beforeAll(async () => {
  previous = { version: PREVIOUS.version, migrations: migrationsIn(await previousSource()) };
});

const faultsIn = (sql: string, name = "9000_new.sql") => faultsOf(previous, [{ name, sql }]);

describe("the migrations since the previous release", () => {
  it("leave those of the release as they are", () => {
    const released = new Set(previous.migrations.map(({ name }) => name));
    expect(migrationsIn().filter(({ name }) => released.has(name))).toEqual(previous.migrations);
  });

  it("keep the rules", () => {
    const known = new Set(previous.migrations.map(({ name }) => name));
    const next = migrationsIn().filter(({ name }) => !known.has(name));
    expect(faultsOf(previous, next)).toEqual([]);
  });

  it("have a number each, and no second dot unless they are for after the upload", () => {
    const names = migrationsIn().map(({ name }) => name);
    expect(new Set(names.map((name) => name.slice(0, 4))).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^\d{4}_\w+(\.contract)?\.sql$/);
  });
});

describe("the rules for before the upload", () => {
  it.each([
    ["a nullable column", "ALTER TABLE tasks ADD COLUMN colour TEXT;"],
    ["a column with a constant default", "ALTER TABLE tasks ADD COLUMN weight INTEGER NOT NULL DEFAULT 1;"],
    [
      "a table, with its index and rows",
      "CREATE TABLE x (a INTEGER, b TEXT); CREATE INDEX xb ON x (b); INSERT INTO x VALUES (1, 'y');",
    ],
    [
      "a partial index that says what it costs",
      "-- Reads the table once; one row for each failed task.\nCREATE INDEX tasks_x ON tasks (id) WHERE state = 'failed';",
    ],
    ["any index on a small table", "CREATE INDEX keys_x ON keys (created_at);"],
    [
      "a trigger that only new code sets off",
      `ALTER TABLE tasks ADD COLUMN colour TEXT;
       CREATE TRIGGER coloured AFTER INSERT ON tasks WHEN NEW.colour IS NOT NULL BEGIN DELETE FROM outbox WHERE task_id = NEW.id; END;`,
    ],
    [
      "a trigger whose harmlessness is explained",
      `-- tolerated: it only counts.
CREATE TRIGGER counted AFTER INSERT ON tasks BEGIN UPDATE lanes SET since = 1 WHERE name = 'x'; END;`,
    ],
  ])("allow %s", (_what, sql) => {
    expect(faultsIn(sql)).toEqual([]);
  });

  it.each([
    ["dropping a table", "DROP TABLE outbox;", /removes outbox\.task_id/],
    ["dropping a column", "ALTER TABLE tasks DROP COLUMN traceparent;", /removes tasks\.traceparent/],
    ["renaming a column", "ALTER TABLE tasks RENAME COLUMN tags TO labels;", /removes tasks\.tags/],
    ["renaming a table", "ALTER TABLE lanes RENAME TO queues;", /removes lanes\.name/],
    [
      "making a table anew with another type",
      "CREATE TABLE n (name TEXT PRIMARY KEY, reason TEXT, until TEXT, since INTEGER NOT NULL); DROP TABLE drains; ALTER TABLE n RENAME TO drains;",
      /changes drains\.until/,
    ],
    [
      "making a table anew with a column that must be given",
      "CREATE TABLE n (name TEXT PRIMARY KEY, reason TEXT, until INTEGER, since INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID, STRICT; DROP TABLE drains; ALTER TABLE n RENAME TO drains;",
      /drains\.at must be nullable/,
    ],
    ["a generated column", "ALTER TABLE tasks ADD COLUMN age INTEGER AS (created_at - run_at);", /generated/],
    ["dropping an index", "DROP INDEX tasks_due;", /drops the index tasks_due/],
    ["dropping a trigger", "DROP TRIGGER tasks_owe;", /drops the trigger tasks_owe/],
    [
      "replacing a trigger",
      "DROP TRIGGER deliveries_go; CREATE TRIGGER deliveries_go AFTER DELETE ON tasks BEGIN DELETE FROM deliveries WHERE task_id = OLD.id; END;",
      /replaces the trigger deliveries_go/,
    ],
    [
      "a trigger on what the old code writes",
      "CREATE TRIGGER t AFTER INSERT ON tasks BEGIN DELETE FROM outbox; END;",
      /the trigger t acts/,
    ],
    ["a unique index", "-- Costs nothing.\nCREATE UNIQUE INDEX u ON tasks (id) WHERE state = 'failed';", /unique/],
    ["a full index on a large table", "-- Costs much.\nCREATE INDEX tasks_x ON tasks (state);", /must be partial/],
    [
      "an index whose cost is not said",
      "CREATE INDEX tasks_x ON tasks (id) WHERE state = 'failed';",
      /needs a comment/,
    ],
    [
      "a backfill",
      "ALTER TABLE tasks ADD COLUMN colour TEXT; UPDATE tasks SET colour = 'red';",
      /changes the rows of tasks/,
    ],
    ["a delete", "DELETE FROM idempotency WHERE expires_at < 0;", /changes the rows of idempotency/],
    [
      "a change of a small table that is not explained",
      "UPDATE lanes SET paused = 0;",
      /changes the rows of lanes without/,
    ],
  ])("refuse %s", (_what, sql, fault) => {
    expect(faultsIn(sql).join("\n")).toMatch(fault);
  });
});

describe("the rules for after the upload", () => {
  const after = (sql: string) => faultsIn(sql, "9000_new.contract.sql");

  it("allow what the previous release no longer uses to go", () => {
    expect(
      after("-- contract: 0.1.0\nDROP INDEX tasks_rated; DROP TABLE drains; ALTER TABLE lanes DROP COLUMN reason;"),
    ).toEqual([]);
  });

  it.each([
    ["one that names no release", "DROP TABLE drains;", /must begin with/],
    [
      "what the previous release still uses",
      "-- contract: 0.3.0\nDROP TABLE drains;",
      /0\.3\.0 must have been deployed first/,
    ],
    [
      "a drop that rewrites a large table",
      "-- contract: 0.1.0\nALTER TABLE tasks DROP COLUMN traceparent;",
      /let it stay/,
    ],
    ["what belongs before it", "-- contract: 0.1.0\nCREATE TABLE x (a);", /makes the table x/],
    ["a change of rows", "-- contract: 0.1.0\nDELETE FROM lanes;", /changes the rows of lanes/],
  ])("refuse %s", (_what, sql, fault) => {
    expect(after(sql).join("\n")).toMatch(fault);
  });

  it("refuse a migration of before that needs one of after", () => {
    const migrations = [
      { name: "9000_a.contract.sql", sql: "-- contract: 0.1.0\nDROP TABLE drains;" },
      { name: "9001_b.sql", sql: "CREATE TABLE IF NOT EXISTS drains (name TEXT);" },
    ];
    expect(faultsOf(previous, migrations).join("\n")).toMatch(/depends on when/);
  });
});
