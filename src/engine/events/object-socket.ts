/** A listener's hibernating WebSocket to a progress object, which sleeps while it has nothing to send. */

import type { ProgressApi } from "../../progress/snapshot.ts";

/** The delay before a broken socket to an object is opened again, in ms; it doubles each time, until something arrives. */
export const REOPEN_MS = { first: 250, longest: 4_000 };

export class ObjectSocket<Message> {
  readonly #socket: WebSocket;
  readonly #messages: Message[] = [];
  #closed = false;
  #wake: (() => void) | null = null;

  private constructor(socket: WebSocket, maxBehind: number) {
    this.#socket = socket;
    socket.addEventListener("message", (message) => {
      if (this.#closed) return;
      this.#messages.push(JSON.parse(message.data as string) as Message);
      if (this.#messages.length > maxBehind) {
        this.#closed = true;
        this.close();
      }
      this.#wake?.();
    });
    const end = () => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.addEventListener("close", end);
    socket.addEventListener("error", end);
    socket.accept();
  }

  /** Opens one at this address of the object; it closes once more than `maxBehind` messages wait to be read. */
  static async open<Message>(
    object: Pick<ProgressApi, "fetch">,
    url: string,
    maxBehind: number,
  ): Promise<ObjectSocket<Message>> {
    const response = await object.fetch(url, { headers: { Upgrade: "websocket" } });
    if (!response.webSocket) throw new Error(`the progress object answered ${response.status}`);
    return new ObjectSocket<Message>(response.webSocket, maxBehind);
  }

  /** The next message; `idle` where none came in this time. */
  async next(idleMs: number, signal: AbortSignal): Promise<Message | "idle" | "closed"> {
    const message = this.#messages.shift();
    if (message) return message;
    if (this.#closed || signal.aborted) return "closed";
    let timer = 0;
    const wake = () => this.#wake?.();
    signal.addEventListener("abort", wake);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, idleMs);
    });
    this.#wake = null;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    return this.#messages.shift() ?? (this.#closed || signal.aborted ? "closed" : "idle");
  }

  close(): void {
    try {
      this.#socket.close(1000);
    } catch {
      // It was closed from the other side.
    }
  }
}
