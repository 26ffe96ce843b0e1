/** How a handler gives its attempt back. */

/** Thrown by `ctx.snooze`; a handler that catches everything must throw it on. */
export class Snoozed extends Error {
  override readonly name = "Snoozed";
  constructor(readonly delayMs: number) {
    super("the handler gave its attempt back");
  }
}

/** Thrown by `ctx.rateLimited`: every other task of the same rate waits as well. */
export class RateLimited extends Snoozed {}
