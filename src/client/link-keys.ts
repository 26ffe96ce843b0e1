/** The client's verbs on the keys that sign links. They need the service's own key. */

import type { LinkKeyResource } from "../contract/link-key.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { resource } from "./resource.ts";

export interface LinkKeyVerbs {
  /** Lists them, the latest last: their ids and times, not the keys. */
  list(options?: CallOptions): Promise<LinkKeyResource[]>;
  /**
   * Makes a new key that signs links; links signed before stay valid for `overlap`, a year unless given. After a broken
   * connection the request is not repeated.
   *
   * @example
   * // A key has leaked: end all that it signed.
   * await client.linkKeys.rotate({ overlap: 0 });
   */
  rotate(options?: CallOptions & { overlap?: number | string }): Promise<LinkKeyResource[]>;
}

export function linkKeyVerbs(connection: Connection): LinkKeyVerbs {
  const { send } = resource(connection, "/v1/link-keys");
  type Listed = { items: LinkKeyResource[] };
  return {
    list: async ({ signal } = {}) => (await send<Listed>("GET", [], { signal })).items,
    rotate: async ({ overlap, signal } = {}) =>
      (await send<Listed>("POST", ["rotate"], { body: overlap === undefined ? {} : { overlap }, signal })).items,
  };
}
