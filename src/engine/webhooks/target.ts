/** Where webhooks may go: public addresses over https; over http only to this machine, where that is allowed at all. */

import { outboundPolicy, whyRefused } from "../../outbound/guard.ts";

/** Why a webhook may not go there, or null where it may. */
export function whyNoTarget(env: Env, url: string): string | null {
  const reason = whyRefused(url, outboundPolicy(env));
  if (reason !== null || new URL(url).protocol === "https:") return reason;
  // An address that only the stricter policy refuses is this machine.
  const isLoopback = whyRefused(url, { allowLoopback: false }) !== null;
  return isLoopback ? null : "webhooks go over https";
}
