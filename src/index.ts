/** The Worker: what the platform calls, and nothing else. */

import { clockOf } from "./broker/poke.ts";
import { consume, consumeDead } from "./worker/consume.ts";
import { createApp } from "./web/app.ts";

export { Clock } from "./clock/object.ts";
export { ProgressObject } from "./progress/object.ts";
export { AttemptObject } from "./worker/attempt-object.ts";
export { RateObject } from "./worker/rate-object.ts";

const app = createApp();

export default {
  fetch: app.fetch,

  async queue(batch, env, ctx) {
    if (batch.queue === "lovage-dead") await consumeDead(batch, env);
    else await consume(batch, env, ctx);
  },

  /** The clock's watchdog, once a minute. */
  async scheduled(_controller, env) {
    await clockOf(env).watch();
  },
} satisfies ExportedHandler<Env>;
