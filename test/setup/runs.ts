/** How many random programs a run of the suite affords; `TEST_RUNS=full npm test` runs all of them. */
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    isFull: boolean;
    /** Rows of the large table: `LARGE_TABLE=1000000 npm test` looks at more. */
    largeTable: number;
  }
}

export const runs = (few: number, all: number): number => (inject("isFull") ? all : few);
