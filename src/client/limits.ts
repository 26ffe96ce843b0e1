/** The client's verbs on limits. What changes one needs the scope `admin`. */

import type { LimitInput, LimitResource } from "../contract/limit.ts";
import type { CallOptions, Connection } from "./connection.ts";
import type { Pages } from "./pages.ts";
import { resource, type ListOptions } from "./resource.ts";

export interface LimitVerbs {
  /** Lists limits: those in use, those that were changed, and those of whole tasks. */
  list(options?: ListOptions): Pages<LimitResource>;
  /** Reads a limit: `concurrency::<key>`, `concurrency:<task>` or `rate:<task>`, with `:<key>` where the definition has keys. */
  get(id: string, options?: CallOptions): Promise<LimitResource>;
  /**
   * Changes a limit, whatever code and submissions say, at once.
   *
   * @example
   * await client.limits.put("concurrency::customer-42", { limit: 5 });
   * await client.limits.put("rate:order.ship", { limit: 10, per: "1s" });
   */
  put(id: string, limit: LimitInput, options?: CallOptions): Promise<LimitResource>;
  /** Takes a change back: what the code or the latest submission asked for holds again. */
  delete(id: string, options?: CallOptions): Promise<void>;
}

export function limitVerbs(connection: Connection): LimitVerbs {
  const { send, list } = resource(connection, "/v1/limits");
  return {
    list: (options) => list([], options),
    get: async (id, { signal } = {}) => send("GET", [id], { signal }),
    put: async (id, limit, { signal } = {}) => send("PUT", [id], { body: limit, signal }),
    delete: async (id, { signal } = {}) => send("DELETE", [id], { signal }),
  };
}
