/** Statements whose values have names, in place of the numbers that SQL gives them. */

/** Values of a statement, by the names under which its SQL refers to them. */
export type Values = Readonly<Record<string, string | number | null>>;

const NAME = /(?<![\w:]):([a-z]\w*)/gi;

/**
 * The statement with its values. `:name` in `sql` stands for the value of that name; values that it does not name are left out,
 * so that parts of a statement can share one set of them. Throws where a value is missing.
 *
 * @example
 * named(db, "UPDATE lane_modes SET reason = :reason WHERE name = :lane", { lane: "bulk", reason: null });
 */
export function named(db: D1Database, sql: string, values: Values): D1PreparedStatement {
  const names: string[] = [];
  const text = sql.replace(NAME, (_, name: string) => {
    if (!Object.hasOwn(values, name)) throw new TypeError(`no value for :${name}`);
    if (!names.includes(name)) names.push(name);
    return `?${names.indexOf(name) + 1}`;
  });
  return db.prepare(text).bind(...names.map((name) => values[name]));
}
