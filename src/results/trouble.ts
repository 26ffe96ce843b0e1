/** What kind of failure an error of D1 is: by its text, because it has no code. */

/**
 * `final`: the statement itself is wrong. `full`: the database has no room. `overloaded`: D1 has more to do than it can,
 * and should be sent less. `silent`: no answer came in time. `lost`: the answer was lost on its way, or D1 restarts.
 */
export type Trouble = "final" | "full" | "overloaded" | "silent" | "lost";

// The texts: https://developers.cloudflare.com/d1/observability/debug-d1/#error-list
const KINDS: [Trouble, RegExp][] = [
  [
    "final",
    /SQLITE_(CONSTRAINT|ERROR|TOOBIG|MISMATCH|RANGE|AUTH)|no such (table|column|index)|Wrong number of parameter|syntax error|D1_TYPE_ERROR/,
  ],
  ["full", /Exceeded maximum (DB size|account storage)|SQLITE_FULL|database or disk is full/i],
  // A statement that was too much for D1 would be too much again, and each time D1 restarts.
  ["overloaded", /\bD1.*(overloaded|exceeded (timeout|its (CPU time|memory) limit)|its memory limit)/is],
];

/** D1 did not answer in time. Whether it did what it was asked is unknown. */
export class SilentError extends Error {
  override readonly name = "SilentError";
}

/** The invocation has no statements left: nothing was asked, and asking again is of no use. */
export class SpentError extends Error {
  override readonly name = "SpentError";
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof SilentError) return "silent";
  if (error instanceof SpentError) return "final";
  const text = String(error);
  return KINDS.find(([, pattern]) => pattern.test(text))?.[0] ?? "lost";
}

/** D1 has answered that the database lacks something of this release's schema. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
  /** What it lacks, in SQLite's words. */
  readonly missing: string;

  constructor(missing: string, error: unknown) {
    super(String(error), { cause: error });
    this.missing = missing;
  }
}

/** The table, column or index that a statement names and the database does not have; null where an error is of another kind. */
export function missingInSchema(error: unknown): string | null {
  return /no such (?:table|column|index): [\w.]+|table \w+ has no column named \w+/.exec(String(error))?.[0] ?? null;
}
