/** `npm run deploy`: builds, and deploys this repository as `lovage deploy` does a project. */
import { parseArgs } from "node:util";
import { ownSource } from "../command/deploy/deployment.ts";
import { deployProject } from "../command/deploy/verbs.ts";
import { fail } from "../command/failure.ts";
import { build } from "./build.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { plan: { type: "string" }, location: { type: "string" }, env: { type: "string" } },
  });
  await build();
  await deployProject(ownSource(), values, '{"task": "process_item", "input": {"name": "tea"}}');
}

await main().catch(fail);
