/** Which names a service on somebody's own machine answers to. */

import { problem } from "../core/problems.ts";
import { isLoopback } from "../outbound/guard.ts";
import type { AppContext } from "./app-context.ts";
import { renderProblem } from "./problem.ts";

/**
 * A page that a browser on this machine has open can have its own name lead to this machine (DNS rebinding), and would then
 * read and write here as its own origin. Where `ALLOW_HOSTS` is set, only loopback's names and those that it lists are
 * answered. A deployment leaves it out: there the platform routes by name.
 */
export async function checkHost(c: AppContext, next: () => Promise<void>): Promise<Response | void> {
  const allowed = c.env.ALLOW_HOSTS;
  if (allowed === undefined) return next();
  const { hostname } = new URL(c.req.url);
  if (isLoopback(hostname) || listed(allowed).includes(hostname)) return next();
  return renderProblem(
    c,
    problem("misdirected", `This service is not ${hostname}; --allow-host makes it answer as that.`),
  );
}

function listed(hosts: string): string[] {
  return hosts.split(",").map((host) => host.trim().toLowerCase());
}
