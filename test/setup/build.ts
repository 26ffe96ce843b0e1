/** Builds once, before the tests that start servers of their own: so none of them waits for a build, and none builds beside another. */
export { build as setup } from "../../scripts/build.ts";
