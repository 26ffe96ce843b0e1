/** The host names to which a service on a local machine answers. */

import { problem, type Problem } from "../core/problems.ts";
import { isLoopback } from "../outbound/guard.ts";

const ORIGIN = /^[a-z]+:\/\/[^/?#]*/i;

/** The last origin that was allowed, and the names that allowed it: most requests use the same origin. */
let latest = { origin: "", allowed: "" };

/**
 * Why this service does not answer a request to this address; null where it does. A web page that is open on this machine
 * can make its own host name resolve to this machine (DNS rebinding), and could then read and write here as its own origin.
 * Where `ALLOW_HOSTS` is set, only loopback names and the names in it are answered. A deployment leaves it unset: there the
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
