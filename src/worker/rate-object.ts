/** Starts the waiters of one rate queue, whose key is its name: one object for all isolates, asleep while the next turn is far away. */

import { DurableObject } from "cloudflare:workers";
import { budgetOf } from "../core/plan.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { startApart } from "./hand-over.ts";
import { placesOf } from "./place.ts";
import { keepRateQueue } from "./rate-queue.ts";
import { workOff } from "./work.ts";

/** D1 statements that one start costs, with those of others in a call that it shares. */
const STATEMENTS_PER_START = 16;

/** Far longer than any attempt that runs here; the platform does not cut off what an object is still doing. */
const ATTEMPT_MS = 60_000;

export class RateObject extends DurableObject<Env> {
  #isKeeping = false;
  #wasAsked = false;
  #running = 0;

  /** Returns at once, then starts the waiters, each at its turn. */
  async keep(): Promise<void> {
    this.#wasAsked = true;
    if (!this.#isKeeping) await this.ctx.storage.setAlarm(Date.now());
  }

  /** Never throws: the platform would run it again. */
  override async alarm(): Promise<void> {
    this.#isKeeping = true;
    this.#wasAsked = false;
    const most = Math.floor(budgetOf(this.env).statements / STATEMENTS_PER_START);
    const start = (task: ClaimedTask) => this.ctx.waitUntil(this.#run(task));
    const next = await keepRateQueue(this.env, this.ctx.id.name ?? "", start, most);
    this.#isKeeping = false;
    if (this.#wasAsked) await this.ctx.storage.setAlarm(Date.now());
    else if (next !== null) await this.ctx.storage.setAlarm(next);
  }

  async #run(task: ClaimedTask): Promise<void> {
    // A task that was claimed ahead of its turn begins only at its turn.
    await scheduler.wait(Math.max(0, task.startedAt - Date.now()));
    const { here } = placesOf(this.env, [task]);
    if (here.length === 0 || this.#running >= budgetOf(this.env).attemptsPerEvent) return startApart(this.env, [task]);
    this.#running++;
    try {
      await workOff(this.env, here, Date.now() + ATTEMPT_MS);
    } finally {
      this.#running--;
    }
  }
}
