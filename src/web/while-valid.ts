/** Ends a feed when its link expires, or when the key that opened it or created its link is no longer valid. */

import { isStillValid, type Principal } from "./principal.ts";

/** Between two checks. A feed yields about as often, if only null. */
const LOOK_EVERY_MS = 10_000;

/** Thrown at the end of a feed that was cut, to tell it from the end of the task or flow. */
export class AccessEndedError extends Error {
  override readonly name = "AccessEndedError";
}

/** Yields the same events until the caller's key or link is no longer valid; then throws an {@link AccessEndedError}. */
export async function* whileValid<T>(env: Env, principal: Principal, events: AsyncIterable<T>): AsyncGenerator<T> {
  let lookedAt = Date.now();
  for await (const event of events) {
    const now = Date.now();
    if (now - lookedAt >= LOOK_EVERY_MS) {
      if (!(await isStillValid(env, principal, now))) {
        throw new AccessEndedError(`the ${principal.isLink ? "link" : "key"} has ended`);
      }
      lookedAt = now;
    }
    yield event;
  }
}
