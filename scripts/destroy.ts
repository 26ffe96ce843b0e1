/** `npm run destroy`: asks, then removes a deployment of this repository with all its data. */
import { parseArgs } from "node:util";
import { ownSource } from "../command/deploy/deployment.ts";
import { destroyProject } from "../command/deploy/verbs.ts";
import { fail } from "../command/failure.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { env: { type: "string" }, yes: { type: "boolean", default: false } } });
  await destroyProject(ownSource(), values);
}

await main().catch(fail);
