/**
 * The Durable Object classes that a Worker exports. The platform constructs them with the Worker's bindings; the classes need
 * these under Lovage's own names.
 */

import { Clock as ClockObject } from "./clock/object.ts";
import { ownBindings } from "./engine/bindings.ts";
import { FeedHub } from "./engine/feed/hub.ts";
import { ProgressObject as ProgressOfTask } from "./progress/object.ts";
import { AttemptObject as AttemptsObject } from "./worker/attempt-object.ts";
import { RateObject as RateWaiters } from "./worker/rate-object.ts";

export class Clock extends ClockObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, ownBindings(env));
  }
}

export class ProgressObject extends ProgressOfTask {
  constructor(ctx: DurableObjectState, env: Env) {
    const own = ownBindings(env);
    super(ctx, own, new FeedHub(ctx, own));
  }
}

export class AttemptObject extends AttemptsObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, ownBindings(env));
  }
}

export class RateObject extends RateWaiters {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, ownBindings(env));
  }
}
