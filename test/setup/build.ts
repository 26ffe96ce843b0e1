/** Builds once, before the tests that start servers of their own: so none of them waits for a build, and none builds beside another. */

import { build, buildStrict } from "../../scripts/build.ts";

export async function setup(): Promise<void> {
  await build();
  await buildStrict();
}
