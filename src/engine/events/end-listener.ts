/**
 * One waiter for the end of a task or a flow: a hibernating WebSocket to its progress object, which closes the socket at
 * the end. The object stores nothing for it, and sleeps meanwhile.
 */

import { log } from "../../core/log.ts";
import { ENDED_CODE } from "../../progress/snapshot.ts";
import { progressObject } from "./tell.ts";

/** The delay before a broken socket is opened again, in ms; it doubles each time. */
const REOPEN_MS = { first: 250, longest: 8_000 };

export class Waiter {
  readonly #env: Env;
  readonly #id: string;
  #url = "https://progress/end";
  #socket: WebSocket | null = null;
  #state: "waiting" | "told" | "closed" = "waiting";
  #pause = REOPEN_MS.first;
  #reopening: ReturnType<typeof setTimeout> | null = null;
  #wake: (() => void) | null = null;

  /** Begins at once to register at the object of the task or flow `id`. An end during the registration is reported, too. */
  constructor(env: Env, id: string) {
    this.#env = env;
    this.#id = id;
    void this.#open();
  }

  /** True as soon as the object has reported an end; false once `ms` have passed or the caller is gone. */
  async told(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#state === "waiting" && !signal?.aborted) {
      let timer: ReturnType<typeof setTimeout> | null = null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, ms);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
      this.#wake = null;
      clearTimeout(timer);
    }
    return this.#state === "told";
  }

  /** Waits for the next end: the one that was reported is that of an earlier run. */
  again(): void {
    this.#state = "waiting";
    this.#url = "https://progress/end?next";
    void this.#open();
  }

  close(): void {
    this.#state = "closed";
    clearTimeout(this.#reopening);
    this.#hangUp();
  }

  async #open(): Promise<void> {
    try {
      const response = await progressObject(this.#env, this.#id).fetch(this.#url, {
        headers: { Upgrade: "websocket" },
      });
      if (response.status === 204) return this.#hear();
      if (response.webSocket) return this.#listen(response.webSocket);
      throw new Error(`the progress object answered ${response.status}`);
    } catch (error) {
      log("waiter_not_registered", { id: this.#id, error });
      this.#reopen();
    }
  }

  #listen(socket: WebSocket): void {
    socket.accept();
    this.#socket = socket;
    const end = (code?: number) => {
      if (this.#socket !== socket) return;
      this.#hangUp();
      if (code === ENDED_CODE) this.#hear();
      else this.#reopen();
    };
    socket.addEventListener("close", ({ code }) => end(code));
    socket.addEventListener("error", () => end());
    if (this.#state === "closed") this.#hangUp();
  }

  #hear(): void {
    if (this.#state === "waiting") this.#state = "told";
    this.#wake?.();
  }

  /** The delay is random, so that the many waiters of one object do not reconnect at the same time. */
  #reopen(): void {
    if (this.#state !== "waiting") return;
    const pause = this.#pause * (0.5 + Math.random());
    this.#pause = Math.min(this.#pause * 2, REOPEN_MS.longest);
    this.#reopening = setTimeout(() => void this.#open(), pause);
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#socket = null;
    try {
      socket?.close(1000);
    } catch {
      // It was closed from the other side.
    }
  }
}
