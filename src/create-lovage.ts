/** The composition root: puts the Worker together from an application and the rooms of this folder. */

import { clockOf } from "./broker/poke.ts";
import { register, type Application } from "./engine/registry.ts";
import { createApp } from "./web/app.ts";
import { consume, consumeDead } from "./worker/consume.ts";

/**
 * The Worker of an application: what a deployment exports by default, beside the Durable Object classes.
 * Throws a `RangeError` where two tasks have the same name, or one has a name of the system's own.
 *
 * @example
 * export { AttemptObject, Clock, ProgressObject, RateObject } from "./lovage.ts";
 * export default createLovage({ tasks: [sendEmail] });
 */
export function createLovage(application: Application) {
  register(application);
  const web = createApp(application.routes);
  return {
    fetch: web.fetch,

    async queue(batch, env, ctx) {
      if (batch.queue === "lovage-dead") await consumeDead(batch, env);
      else await consume(batch, env, ctx);
    },

    /** The clock's watchdog, once a minute. */
    async scheduled(_controller, env) {
      await clockOf(env).watch();
    },
  } satisfies ExportedHandler<Env>;
}
