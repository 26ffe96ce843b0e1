/** The client's verbs on keys. All but `self` need the scope `admin`. */

import type { CreatedKey, KeyResource, NewKey, OwnKey } from "../contract/key.ts";
import type { CallOptions, Connection } from "./connection.ts";
import type { Pages } from "./pages.ts";
import { resource, type ListOptions } from "./resource.ts";

export interface KeyVerbs {
  /**
   * Makes a key. Its text, `key`, is in this answer and never again. After a broken connection the request is not repeated.
   *
   * @example
   * const { id, key } = await client.keys.create({ name: "checkout", scopes: ["submit", "read"] });
   * console.log(id, key);
   */
  create(key: NewKey, options?: CallOptions): Promise<CreatedKey>;
  /** Lists keys, newest first, the revoked and expired too. */
  list(options?: ListOptions): Pages<KeyResource>;
  get(id: string, options?: CallOptions): Promise<KeyResource>;
  /** The tenant of this client's key, and what the key may do. Every key may ask. */
  self(options?: CallOptions): Promise<OwnKey>;
  /** Revokes a key for good. */
  revoke(id: string, options?: CallOptions): Promise<void>;
}

export function keyVerbs(connection: Connection): KeyVerbs {
  const { send, list } = resource(connection, "/v1/keys");
  return {
    create: async (key, { signal } = {}) => send("POST", [], { body: key, signal }),
    list: (options) => list([], options),
    get: async (id, { signal } = {}) => send("GET", [id], { signal }),
    self: async ({ signal } = {}) => send("GET", ["self"], { signal }),
    revoke: async (id, { signal } = {}) => send("DELETE", [id], { signal }),
  };
}
