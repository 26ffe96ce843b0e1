/** Verbs on many things, of which one request does a bounded part. */

import type { BulkResult } from "./task-types.ts";

/** Repeats the request with the cursor of each answer until nothing is left; answers the sums. */
export async function inAll(
  send: (cursor?: string) => Promise<BulkResult & { nextCursor?: string }>,
): Promise<BulkResult> {
  const total: BulkResult = { matched: 0, changed: 0 };
  let cursor: string | undefined;
  do {
    const { matched, changed, nextCursor } = await send(cursor);
    total.matched += matched;
    total.changed += changed;
    cursor = nextCursor;
  } while (cursor !== undefined);
  return total;
}
