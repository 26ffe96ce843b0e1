import { describe, expect, it } from "vitest";
import { named } from "../../src/results/named.ts";

/** The SQL and the values that D1 is given. */
function given(sql: string, values: Parameters<typeof named>[2]): { text: string; bound: unknown[] } {
  const taken: { text: string; bound: unknown[] } = { text: "", bound: [] };
  const db = {
    prepare: (text: string) => ({ bind: (...bound: unknown[]) => Object.assign(taken, { text, bound }) }),
  } as unknown as D1Database;
  named(db, sql, values);
  return taken;
}

describe("a statement with named values", () => {
  it("is given each value that it names once, and no other", () => {
    const sql = "UPDATE t SET a = :a, b = :b->>'x' WHERE a <> :a AND c = ':' || '::k' || '%H:%M'";
    expect(given(sql, { a: 1, b: "{}", unused: 2 })).toEqual({
      text: "UPDATE t SET a = ?1, b = ?2->>'x' WHERE a <> ?1 AND c = ':' || '::k' || '%H:%M'",
      bound: [1, "{}"],
    });
  });

  it("is refused where a value is missing", () => {
    expect(() => given("SELECT :a, :b", { a: null })).toThrow("no value for :b");
  });
});
