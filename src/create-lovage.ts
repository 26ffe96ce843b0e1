/** The composition root: puts the Worker together from an application and the folders of `src`. */

import { clockOf } from "./broker/poke.ts";
import { isLovageQueue } from "./broker/bells.ts";
import { mountAddresses } from "./contract/addresses.ts";
import { ownBindings } from "./engine/bindings.ts";
import { register, type Application } from "./engine/registry.ts";
import { createApp } from "./web/app.ts";
import { checkMount, mounted, serves } from "./web/mount.ts";
import { consume, consumeDead } from "./worker/consume.ts";
import { narrateTasks } from "./worker/narrate.ts";

/** Handlers of the Worker beside Lovage's: a Hono app, or what another Worker exports by default. */
export interface OtherHandlers {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
  /** For queues that are not Lovage's. */
  queue?(batch: MessageBatch, env: Env, ctx: ExecutionContext): void | Promise<void>;
  /** For crons other than `* * * * *`, which is Lovage's. */
  scheduled?(controller: ScheduledController, env: Env, ctx: ExecutionContext): void | Promise<void>;
}

/** What `createLovage` takes. */
export interface LovageOptions extends Application {
  /** Answers every request that is for none of Lovage's own addresses, or that is outside of {@link LovageOptions.mount}. */
  app?: OtherHandlers | OtherHandlers["fetch"];
  /** The path below which Lovage serves, such as `"/jobs"`. Links, the OpenAPI document and the pages begin with it. The root unless given. */
  mount?: string;
}

/** The Worker: what a deployment exports by default. */
export interface Lovage {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response>;
  queue(batch: MessageBatch, env: Env, ctx: ExecutionContext): Promise<void>;
  scheduled(controller: ScheduledController, env: Env, ctx: ExecutionContext): Promise<void>;
  /** The same, served below this path: `createLovage({ tasks, app }).mount("/jobs")`. */
  mount(path: string): Lovage;
}

/** The cron of the clock's watchdog. */
const WATCH_CRON = "* * * * *";

/**
 * The Worker of an application: what a deployment exports by default, beside the Durable Object classes.
 * Throws a `RangeError` where two tasks have the same name, or one has a name of the system's own.
 *
 * @example
 * export { AttemptObject, Clock, ProgressObject, RateObject } from "lovage";
 * export default createLovage({ tasks: [sendEmail], app: new Hono() });
 */
export function createLovage(application: LovageOptions): Lovage {
  const base = checkMount(application.mount ?? "");
  register(application);
  mountAddresses(base);
  const web = createApp(application.routes);
  const other = handlersIn(application.app);
  return {
    async fetch(request, env, ctx) {
      if (other !== null && !serves(web, base, new URL(request.url).pathname)) return other.fetch(request, env, ctx);
      const own = ownBindings(env);
      if (base === "") return web.fetch(request, own, ctx);
      return mounted(base, request, (inner) => web.fetch(inner, own, ctx));
    },

    async queue(batch, env, ctx) {
      if (other?.queue && !isLovageQueue(batch.queue)) return other.queue(batch, env, ctx);
      if (batch.queue.endsWith("lovage-dead")) await consumeDead(batch, ownBindings(env));
      else await consume(batch, ownBindings(env), ctx);
    },

    /** The clock's watchdog, once a minute. */
    async scheduled(controller, env, ctx) {
      const own = ownBindings(env);
      narrateTasks(own);
      await clockOf(own).watch();
      if (controller.cron !== WATCH_CRON) await other?.scheduled?.(controller, env, ctx);
    },

    mount: (path) => createLovage({ ...application, mount: path }),
  };
}

function handlersIn(app: LovageOptions["app"]): OtherHandlers | null {
  if (app === undefined) return null;
  return typeof app === "function" ? { fetch: app } : app;
}
