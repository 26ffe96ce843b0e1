/** Content negotiation (RFC 9110 §12.5.1). */

import Negotiator from "negotiator";
import type { AppContext } from "./app-context.ts";

/**
 * The media type of these that the caller prefers; the first where it has no preference, or accepts none of them. All of them
 * are UTF-8, so `charset=utf-8` in `Accept` matches, too. Adds `Vary: Accept` to the answer.
 */
export function preferredType<Type extends string>(c: AppContext, types: readonly [Type, ...Type[]]): Type {
  c.header("Vary", "Accept", { append: true });
  const offered = new Map(
    types.flatMap((type) => [type, `${type};charset=utf-8`].map((name) => [name, type] as const)),
  );
  const accept = c.req.header("accept");
  const wanted = new Negotiator({ headers: { accept } }).mediaType([...offered.keys()]);
  return offered.get(wanted ?? "") ?? types[0];
}
