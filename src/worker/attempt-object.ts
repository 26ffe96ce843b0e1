/**
 * An object that runs the attempts which may take longer than a consumer's event lasts, and those whose task was cut off
 * before. Its alarm keeps it alive for up to 15 minutes. It also commits the ends that an event could not write to D1 in time.
 */

import { DurableObject } from "cloudflare:workers";
import { log } from "../core/log.ts";
import { commit } from "../engine/commit.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Commit } from "../results/commit-attempts.ts";
import { attemptOf } from "./attempt.ts";
import { workOff } from "./work.ts";

/** How long the alarm's handler may take: the platform's 15 minutes, less a margin. */
const ALARM_MS = 15 * 60_000 - 10_000;

/** Pause between two tries to commit while D1 does not answer. Short: some seconds after it answers, the clock rescues the tasks. */
const COMMIT_AGAIN_MS = 1_000;

/** Ends that could not be committed for this long are given up: by then their tasks are in other attempts. */
const GIVE_UP_MS = 3_600_000;

export class AttemptObject extends DurableObject<Env> {
  /** Lost with the object; then the leases of these attempts run out. */
  #claimed: ClaimedTask[] = [];

  /** Runs these attempts, after it has answered. */
  async start(tasks: ClaimedTask[]): Promise<void> {
    this.#claimed.push(...tasks);
    await this.ctx.storage.setAlarm(Date.now());
  }

  /** Keeps these ends until D1 has taken them. */
  async commit(commits: Commit[]): Promise<void> {
    for (const entry of commits) this.ctx.storage.kv.put<Commit>(`${entry.id}/${entry.attempt}`, entry);
    await this.ctx.storage.setAlarm(Date.now() + COMMIT_AGAIN_MS);
  }

  /** Never throws: the platform would run it again. */
  override async alarm(): Promise<void> {
    const tasks = this.#claimed.splice(0);
    const attempts = tasks.map((task) => attemptOf(this.env, task));
    await workOff(this.env, attempts, Date.now() + ALARM_MS);
    const kept = [...this.ctx.storage.kv.list<Commit>()].map(([, entry]) => entry);
    if (kept.length > 0) await this.#write(kept);
  }

  async #write(commits: Commit[]): Promise<void> {
    try {
      await commit(this.env, commits);
      await this.ctx.storage.deleteAll();
    } catch (error) {
      const isOld = commits.some((entry) => Date.now() - entry.at > GIVE_UP_MS);
      const event = isOld ? "commits_given_up" : "commits_not_written";
      log(event, { taskIds: commits.map((entry) => entry.id), error });
      if (isOld) await this.ctx.storage.deleteAll();
      else await this.ctx.storage.setAlarm(Date.now() + COMMIT_AGAIN_MS * (0.5 + Math.random()));
    }
  }
}
