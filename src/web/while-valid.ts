/** A feed ends with the right to follow it: with a link's time, and with the key that opened it or has made the link. */

import type { TaskEvent } from "../contract/event.ts";
import { isStillValid, type Principal } from "./principal.ts";

/** Between two looks. A feed says something about as often, if only that nothing came. */
const LOOK_EVERY_MS = 10_000;

/** What a feed ends with that is cut: not the end of what it tells of. */
export class AccessEndedError extends Error {
  override readonly name = "AccessEndedError";
}

/** The same events, until the key or link that asked for them is no longer valid: then an {@link AccessEndedError}. */
export async function* whileValid(
  env: Env,
  principal: Principal,
  events: AsyncIterable<TaskEvent | null>,
): AsyncGenerator<TaskEvent | null> {
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
