/**
 * The same random programs every time, so that a red run is the fault of what changed. `TEST_SEED=random npm test`
 * looks further, and `TEST_SEED=<number>` repeats what such a run has found.
 */
import fc from "fast-check";
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    seed: number;
  }
}

fc.configureGlobal({ seed: inject("seed") });
