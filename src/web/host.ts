/** Which names a service on somebody's own machine answers to. */

import { problem, type Problem } from "../core/problems.ts";
import { isLoopback } from "../outbound/guard.ts";

const ORIGIN = /^[a-z]+:\/\/[^/?#]*/i;

/** The latest that was let in, by which names: most requests come to the same. */
let latest = { origin: "", allowed: "" };

/**
 * Why this service does not answer a request to this address; null where it does. A page that a browser on this machine has
 * open can have its own name lead to this machine (DNS rebinding), and would then read and write here as its own origin. Where
 * `ALLOW_HOSTS` is set, only loopback's names and those that it lists are answered. A deployment leaves it out: there the
 * platform routes by name.
 */
export function hostProblem(url: string, { ALLOW_HOSTS: allowed }: Env): Problem | null {
  if (allowed === undefined) return null;
  const origin = ORIGIN.exec(url)?.[0] ?? "";
  if (latest.origin === origin && latest.allowed === allowed) return null;
  const { hostname } = new URL(url);
  if (!isLoopback(hostname) && !listed(allowed).includes(hostname)) {
    return problem("misdirected", `This service is not ${hostname}; --allow-host makes it answer as that.`);
  }
  latest = { origin, allowed };
  return null;
}

function listed(hosts: string): string[] {
  return hosts.split(",").map((host) => host.trim().toLowerCase());
}
