/**
 * The feed of a tenant, in the object of its name: while it has listeners it has changes noted in D1, takes them once a second,
 * and sends them to all listeners as one frame. Without listeners it notes nothing, reads nothing and sleeps.
 */

import type { FeedFrame } from "../../contract/feed.ts";
import { log } from "../../core/log.ts";
import { tenantOfFeed, type FeedRoom } from "../../progress/feed-room.ts";
import { closeFeed, openFeed, takeChanges } from "../../results/feed.ts";
import { countLiveByTask } from "../../results/live-counts.ts";

/** Time between two looks, and until the next one after a look that failed. */
const LOOK_EVERY_MS = 1_000;
const AGAIN_MS = 3_000;

/** Changes are noted for this long; after `RENEW_MS` the time is extended. */
const OPEN_MS = 90_000;
const RENEW_MS = 30_000;

const TAG = "feed";

export class FeedHub implements FeedRoom {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  /** Until when changes are known to be noted, in ms since the epoch. */
  #openUntil = 0;
  /** Whether changes may have been taken that no frame has told. */
  #hasMissed = false;

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx;
    this.#env = env;
  }

  get #tenant(): string {
    return tenantOfFeed(this.#ctx.id.name) ?? "";
  }

  /** The first frame tells the counts; what changes from now on follows. */
  async listen(): Promise<Response> {
    // First the alarm: if all of this is cut off, it closes what was opened.
    if ((await this.#ctx.storage.getAlarm()) === null) await this.#ctx.storage.setAlarm(Date.now() + LOOK_EVERY_MS);
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [TAG]);
    try {
      await this.#open(Date.now());
      server.send(JSON.stringify(await frameOf(this.#env, this.#tenant)));
    } catch (error) {
      server.close(1011, "try again");
      throw error;
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Never throws: the platform would repeat it a few times only. */
  async alarm(): Promise<void> {
    let next: number | null;
    try {
      next = this.#ctx.getWebSockets(TAG).length > 0 ? await this.#look() : await this.#close();
    } catch (error) {
      // An answer that was lost may have taken changes with it.
      this.#hasMissed = true;
      log("feed_not_read", { tenant: this.#tenant, error });
      next = AGAIN_MS;
    }
    if (next === null && this.#ctx.getWebSockets(TAG).length > 0) {
      // A listener has come while it closed.
      this.#hasMissed = true;
      next = 0;
    }
    if (next !== null) await this.#ctx.storage.setAlarm(Date.now() + next);
  }

  async #look(): Promise<number> {
    await this.#open(Date.now());
    const taken = await takeChanges(this.#env.DB, this.#tenant);
    if (taken.changed.length > 0 || this.#hasMissed) {
      this.#send({ ...(await frameOf(this.#env, this.#tenant)), ...taken, missed: this.#hasMissed });
    }
    return LOOK_EVERY_MS;
  }

  async #open(now: number): Promise<void> {
    if (this.#openUntil - now > OPEN_MS - RENEW_MS) return;
    await openFeed(this.#env.DB, this.#tenant, now + OPEN_MS);
    this.#openUntil = now + OPEN_MS;
  }

  async #close(): Promise<number | null> {
    const isAll = await closeFeed(this.#env.DB, this.#tenant);
    this.#openUntil = 0;
    return isAll ? null : LOOK_EVERY_MS;
  }

  #send(frame: FeedFrame): void {
    this.#hasMissed = false;
    const text = JSON.stringify(frame);
    for (const socket of this.#ctx.getWebSockets(TAG)) {
      try {
        socket.send(text);
      } catch {
        // The socket is gone; the relay opens another one, and says that changes may have been missed.
      }
    }
  }
}

/** A frame of this moment, without changes. */
export async function frameOf(env: Env, tenant: string): Promise<FeedFrame> {
  const { counts, capped } = await countLiveByTask(env.DB, tenant);
  const live = counts.map(({ task, lane, state, count }) => ({ task, lane, state, count }));
  return { at: new Date().toISOString(), changed: [], more: 0, missed: false, counts: { live, capped } };
}
