/**
 * What tests get that import fast-check, so that no others pay for loading it. The same random programs every time, so that a
 * red run is the fault of what changed. `TEST_SEED=random npm test` looks further, and `TEST_SEED=<number>` repeats what such
 * a run has found.
 */
import { inject } from "vitest";
import fc from "../../node_modules/fast-check/lib/fast-check.js";

declare module "vitest" {
  interface ProvidedContext {
    seed: number;
  }
}

fc.configureGlobal({ seed: inject("seed") });

export * from "../../node_modules/fast-check/lib/fast-check.js";
export default fc;
