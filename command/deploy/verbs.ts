/** `lovage deploy` and `lovage destroy`; `npm run deploy` and `npm run destroy` of this repository run the same. */

import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Failure } from "../failure.ts";
import { findProject } from "../project.ts";
import { defineVerb } from "../verb.ts";
import { connectCloudflare } from "./cloudflare.ts";
import { deploy, summaryOf } from "./deploy.ts";
import {
  LOCATIONS,
  optionsOf,
  prepareDeployment,
  projectSource,
  removeMade,
  type Deployment,
  type Source,
} from "./deployment.ts";
import { destroy } from "./destroy.ts";
import { keptOptions } from "./kept.ts";
import { PLANS } from "./plan-config.ts";

const env = {
  type: "string",
  description: "The name of a separate deployment in the same account, such as staging",
} as const;
const PLAN_USAGE = `--plan takes ${PLANS.join(" or ")}, and --location one of ${LOCATIONS.join(", ")}`;

export const deployVerb = defineVerb({
  name: "deploy",
  description: "Deploys to Cloudflare: makes what is missing there, and changes nothing that is there",
  args: {
    env,
    plan: { type: "string", description: "paid or free: as before unless given, paid at first" },
    location: {
      type: "string",
      description: `Where the database and the objects are made, as before unless given: ${LOCATIONS.join(", ")}`,
    },
    mount: { type: "string", description: "The path that createLovage is mounted at, read from the code unless given" },
  },
  run: async (given) =>
    deployProject(projectSource(findProject(".")), given, '{"task": "greet", "input": {"name": "Ada"}}'),
});

export const destroyVerb = defineVerb({
  name: "destroy",
  description: "Asks, then removes a deployment with its database and all tasks in it",
  args: { env, yes: { type: "boolean", description: "Does not ask", default: false } },
  run: async (given) => destroyProject(projectSource(findProject(".")), given),
});

/** Deploys a project, and prints the outcome. `sample`: a submission as JSON. */
export async function deployProject(
  source: Source,
  given: {
    env?: string | undefined;
    plan?: string | undefined;
    location?: string | undefined;
    mount?: string | undefined;
  },
  sample: string,
): Promise<void> {
  const { root } = source;
  const { env, plan, location } = given;
  const asked = optionsOf({ env, plan, location }, PLAN_USAGE);
  const cloudflare = await connectCloudflare({}, root);
  const kept = await keptOptions(asked, source, cloudflare);
  const options = optionsOf({ env, plan: plan ?? kept.plan, location: location ?? kept.location }, PLAN_USAGE);
  const to = prepareDeployment(options, source);
  try {
    const outcome = await deploy(to, cloudflare, { notes: notesIn(root), mount: given.mount ?? mountIn(to) });
    process.stdout.write(summaryOf(outcome, sample));
    if (outcome.unhealthy !== null) process.exitCode = 1;
  } finally {
    removeMade(source, to);
  }
}

/** The path at which the code mounts the service. Only the code knows it, so it is searched for in the text; nothing is run. */
function mountIn({ config, expand }: Deployment): string {
  const main = join(dirname(expand), config.main ?? "");
  if (config.main === undefined || !existsSync(main)) return "";
  return /\bmount(?::\s*|\()["'`](\/[^"'`]*)["'`]/.exec(readFileSync(main, "utf8"))?.[1]?.replace(/\/+$/, "") ?? "";
}

/** Asks, and removes a project's deployment. */
export async function destroyProject(
  source: Source,
  given: { env?: string | undefined; yes?: boolean },
): Promise<void> {
  const to = prepareDeployment(optionsOf({ env: given.env }, PLAN_USAGE), source);
  removeMade(source, to);
  if (!given.yes && !(await isMeant(to))) return;
  const cloudflare = await connectCloudflare({}, source.root);
  const removed = await destroy(to, cloudflare);
  rmSync(join(notesIn(source.root), `${cloudflare.accountId}.${to.name}`), { force: true });
  const told = removed.map((what) => `Removed the ${what}\n`).join("");
  process.stdout.write(told === "" ? `There is nothing called ${to.name}\n` : told);
}

function notesIn(root: string): string {
  return join(root, ".wrangler/deployed");
}

async function isMeant({ name }: Deployment): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new Failure(`there is no terminal to ask in: --yes removes ${name} without a question`);
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await asking.question(
    `This removes the Worker ${name} with its database and all tasks in it. Type ${name} to go on: `,
  );
  asking.close();
  return answer.trim() === name;
}
