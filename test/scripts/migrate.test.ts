import { expect, it } from "vitest";
import { migrate, type Migration, type RunStatements } from "../../command/dev/database.ts";

const migrations: Migration[] = ["one", "two", "three"].map((name) => ({
  name: `${name}.sql`,
  statements: [`CREATE TABLE ${name} (id)`],
}));

/** A database that keeps its record alone, and the statements of each call. */
function database(applied: string[] = []) {
  const calls: string[][] = [];
  const run: RunStatements = async (statements) => {
    calls.push(statements.map(([sql]) => sql));
    return statements.map(([sql, name]) => {
      if (name !== undefined) applied.push(name);
      return sql.startsWith("SELECT") ? applied.map((each) => ({ name: each })) : [];
    });
  };
  return { run, calls, applied };
}

const names = migrations.map(({ name }) => name);
const RECORD = "INSERT INTO d1_migrations (name) VALUES (?)";

it("brings a new database to the schema in one transaction", async () => {
  const { run, calls, applied } = database();
  await migrate(run, migrations);
  expect(calls.slice(1)).toEqual([migrations.flatMap(({ statements }) => [...statements, RECORD])]);
  expect(applied).toEqual(names);
});

it("brings that of an earlier release there in one for each migration", async () => {
  const { run, calls, applied } = database(names.slice(0, 1));
  await migrate(run, migrations);
  expect(calls.slice(1)).toEqual(migrations.slice(1).map(({ statements }) => [...statements, RECORD]));
  expect(applied).toEqual(names);
});

it.each([[migrations], [[]]])("changes nothing where nothing is pending", async (known) => {
  const { run, calls } = database(known.map(({ name }) => name));
  await migrate(run, known);
  expect(calls).toHaveLength(1);
});
