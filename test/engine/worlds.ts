/**
 * Many databases in one D1: each world has tables of its own, with the same statements, and the calls
 * that worlds make at the same time travel together. So a thousand programs fit into a minute.
 */

import { noteAnswer } from "../../src/results/load.ts";
import { executeOn, type Execute, type Statement } from "./database-over.ts";

const MARK = "__world";

/** Everything that a migration creates, by name. */
const CREATED = /CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX|TRIGGER)\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)/gi;

/** As long as others are on their way, calls wait and then go in one batch, one transaction each call's statements together. */
function sharedCalls(db: D1Database): Execute {
  const execute = executeOn(db);
  let waiting: { statements: Statement[]; answer: PromiseWithResolvers<D1Result[]> }[] = [];
  let isSending = false;

  const send = async () => {
    while (waiting.length > 0) {
      const calls = waiting;
      waiting = [];
      try {
        const results = await execute(calls.flatMap((call) => call.statements));
        for (const { statements, answer } of calls) answer.resolve(results.splice(0, statements.length));
      } catch {
        // One of them is at fault, and its own error is for itself alone.
        for (const { statements, answer } of calls) await execute(statements).then(answer.resolve, answer.reject);
      }
      // A caller that was answered asks again before the next batch leaves.
      await scheduler.wait(0);
    }
    isSending = false;
  };

  return (statements) => {
    const answer = Promise.withResolvers<D1Result[]>();
    waiting.push({ statements, answer });
    if (!isSending) {
      isSending = true;
      void send();
    }
    return answer.promise;
  };
}

/** The schema's own names, from its migrations. */
function namesIn(migrations: readonly string[]): string[] {
  return migrations.flatMap((sql) => [...sql.matchAll(CREATED)].map((match) => match[1]!));
}

/** Calls with the tables of one world in the place of the schema's. */
function inWorld(execute: Execute, names: readonly string[], world: number): Execute {
  const suffix = `${MARK}${world}`;
  // What stands in quotes is data, and a remark may have a quote.
  const pattern = new RegExp(`--.*|'(?:[^']|'')*'|\\b(?:${names.join("|")})\\b`, "g");
  const renamed = new Map<string, string>();
  const rename = (sql: string): string => {
    const known = renamed.get(sql) ?? sql.replaceAll(pattern, (text) => (/^\w/.test(text) ? text + suffix : text));
    renamed.set(sql, known);
    return known;
  };
  return async (statements) => {
    const results = await execute(statements.map(({ sql, params }) => ({ sql: rename(sql), params })));
    for (const result of results) result.results = result.results.map((row) => restored(row as object, suffix));
    return results;
  };
}

/** A column that is called like a table has the world's name too. */
function restored(row: object, suffix: string): object {
  const keys = Object.keys(row);
  if (!keys.some((key) => key.endsWith(suffix))) return row;
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key.endsWith(suffix) ? key.slice(0, -suffix.length) : key, value]),
  );
}

// A call of an actor that has died is never answered, and the worlds' times differ: the isolate must not take that for load.
noteAnswer(Number.POSITIVE_INFINITY);

/** Empty tables for `count` worlds; answers how each of them is reached. */
export async function createWorlds(db: D1Database, migrations: readonly string[], count: number): Promise<Execute[]> {
  const names = namesIn(migrations);
  const shared = sharedCalls(db);
  const worlds = Array.from({ length: count }, (_, n) => inWorld(shared, names, n));
  await Promise.all(worlds.map((execute) => execute(migrations.map((sql) => ({ sql, params: [] })))));
  return worlds;
}
