/** The requests that the smaller resources share. */

import type { Call, CallOptions, Connection } from "./connection.ts";
import { pagesOf, type Page, type Pages } from "./pages.ts";

export interface ListOptions extends CallOptions {
  /** Items on a page. */
  limit?: number | undefined;
}

/** Requests below one path. */
export function resource(connection: Connection, base: string) {
  const send = async <T>(method: Call["method"], segments: string[], rest: Partial<Call> = {}): Promise<T> =>
    connection.json({ ...rest, method, path: [base, ...segments.map(encodeURIComponent)].join("/") });

  const list = <Item>(
    segments: string[],
    { signal, limit, query }: ListOptions & Pick<Call, "query"> = {},
  ): Pages<Item> =>
    pagesOf(async (cursor) =>
      send<Page<Item>>("GET", segments, { query: { ...query, limit, cursor: cursor ?? undefined }, signal }),
    );

  return { send, list };
}
