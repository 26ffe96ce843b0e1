/** What an earlier deployment was told and this one is not: read back from what runs, so that it stays as it is. */

import type { Cloudflare } from "./cloudflare.ts";
import { LOCATIONS, type DeployOptions, type Source } from "./deployment.ts";
import { PLANS, planConfig } from "./plan-config.ts";

interface Settings {
  bindings?: { name: string; type: string; text?: string }[];
}

/** The plan and the location of the deployment that runs, where there is one. What the configuration says itself is left out. */
export async function keptOptions(
  { env }: Pick<DeployOptions, "env">,
  source: Source,
  { get }: Pick<Cloudflare, "get">,
): Promise<Partial<Pick<DeployOptions, "plan" | "location">>> {
  const { name = "", vars = {} } = planConfig("paid", [], env, source.files);
  const settings = await get<Settings>(`/workers/scripts/${name}/settings`);
  const deployed = (variable: string) =>
    variable in vars
      ? undefined
      : settings?.bindings?.find((each) => each.type === "plain_text" && each.name === variable)?.text;
  const plan = PLANS.find((each) => each === deployed("PLAN"));
  const location = LOCATIONS.find((each) => each === deployed("LOCATION"));
  return { ...(plan === undefined ? {} : { plan }), ...(location === undefined ? {} : { location }) };
}
