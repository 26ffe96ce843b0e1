/**
 * The progress object: one Durable Object per task that needs one. It keeps the task's events and
 * pushes them to whoever listens. It is a loudspeaker, not the truth: everything it knows of the
 * task's state it was told from the row, and it can be told again.
 */

import { DurableObject } from "cloudflare:workers";
import type { TaskEvent } from "../contract/event.ts";
import { EVENTS_KEPT_MS } from "../core/limits.ts";
import { isTerminal, type State } from "../core/states.ts";
import { isOver, since } from "../core/timeline.ts";
import { EventLog, SAVE_EVERY_MS } from "./event-log.ts";
import { JournalStore } from "./journal-store.ts";
import type { JournalEntry, NewEvent, ProgressApi, Report, Snapshot } from "./snapshot.ts";

/** Between two looks at a task that is still alive. */
const LOOK_AGAIN_MS = 24 * 3_600_000;

export class ProgressObject extends DurableObject<Env> implements Omit<ProgressApi, "fetch"> {
  readonly #log: EventLog;
  readonly #journal: JournalStore;
  #savedAt = 0;
  #saving: ReturnType<typeof setTimeout> | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#log = new EventLog(ctx.storage.sql);
    this.#journal = new JournalStore(ctx.storage);
  }

  /** Hears how the task stands; what it had not heard yet becomes events. */
  async sync(snapshot: Snapshot): Promise<void> {
    this.#tell(eventsOf(snapshot, this.#log.head), snapshot);
    await this.#keep(snapshot.ended !== null);
  }

  /** Hears from a running attempt. One that is over, for another one or for the end, is not listened to. */
  async report({ snapshot, events, last }: Report): Promise<void> {
    const { head } = this.#log;
    if (isOver(snapshot.moments, head.mark)) return;
    const fresh = eventsOf(snapshot, head);
    if (head.endedAt !== null && fresh.length === 0) return;
    this.#tell([...fresh, ...events], snapshot);
    await this.#keep(last);
  }

  /** The kept events after number `after`, oldest first. */
  async list(after: number): Promise<TaskEvent[]> {
    return this.#log.read(after);
  }

  /** The latest progress event of the task, if any. */
  async latestProgress(): Promise<TaskEvent | null> {
    return this.#log.latest("progress");
  }

  /** An event from outside of the task; not part of an ended one's story. */
  async note(event: NewEvent): Promise<void> {
    const { head } = this.#log;
    if (head.endedAt !== null) return;
    this.#push([event], {});
    await this.#keep(true);
  }

  /** The journal of this run, for this attempt and no earlier one. */
  async openJournal(run: number, attempt: number): Promise<JournalEntry[] | null> {
    await this.#setAlarm();
    return this.#journal.open(run, attempt);
  }

  /** Keeps what calls have come to; false where the attempt is not the latest any more. */
  async writeJournal(attempt: number, entries: JournalEntry[]): Promise<boolean> {
    return this.#journal.write(attempt, entries);
  }

  /** Forgets the task: it was deleted. */
  async destroy(): Promise<void> {
    for (const socket of this.ctx.getWebSockets()) socket.close(1001, "the task was deleted");
    await this.#clear();
  }

  /** A listener: a WebSocket that first gets what was kept after `?after=`, then everything as it comes. */
  override async fetch(request: Request): Promise<Response> {
    const after = Number(new URL(request.url).searchParams.get("after") ?? 0);
    const { 0: client, 1: server } = new WebSocketPair();
    const kept = this.#log.read(after);
    this.ctx.acceptWebSocket(server);
    for (const event of kept) server.send(JSON.stringify(event));
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  override async webSocketError(): Promise<void> {
    // The relay at the other end opens a new one.
  }

  /** Events are kept for a while after the end; the row says when that was. */
  override async alarm(): Promise<void> {
    const row = await this.env.DB.prepare("SELECT state, finished_at AS finishedAt FROM tasks WHERE id = ?1")
      .bind(this.ctx.id.name ?? "")
      .first<{ state: State; finishedAt: number | null }>();
    const keptUntil =
      row && (isTerminal(row.state) ? (row.finishedAt ?? 0) + EVENTS_KEPT_MS : Date.now() + LOOK_AGAIN_MS);
    if (keptUntil && keptUntil > Date.now()) await this.ctx.storage.setAlarm(keptUntil);
    else await this.#clear();
  }

  #tell(events: NewEvent[], snapshot: Snapshot): void {
    if (events.length === 0) return;
    this.#push(events, {
      mark: Math.max(this.#log.head.mark, snapshot.moments.at(-1)?.mark ?? -1),
      endedAt: snapshot.ended?.at ?? null,
    });
  }

  #push(events: NewEvent[], head: Parameters<EventLog["append"]>[1]): void {
    const numbered = this.#log.append(events, head);
    const sockets = this.ctx.getWebSockets();
    if (sockets.length === 0) return;
    this.#save();
    const frames = numbered.map((event) => JSON.stringify(event));
    for (const socket of sockets) {
      try {
        for (const frame of frames) socket.send(frame);
      } catch {
        // It is gone; the relay resumes with what was kept.
      }
    }
  }

  async #keep(now: boolean): Promise<void> {
    await this.#setAlarm();
    if (!this.#log.hasUnsaved) return;
    if (now || Date.now() - this.#savedAt >= SAVE_EVERY_MS) this.#save();
    else this.#saving ??= setTimeout(() => this.#save(), SAVE_EVERY_MS);
  }

  /** So that no object is forgotten: it looks after its task's end by itself. */
  async #setAlarm(): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + EVENTS_KEPT_MS);
  }

  #save(): void {
    if (this.#saving !== null) clearTimeout(this.#saving);
    this.#saving = null;
    this.#savedAt = Date.now();
    this.#log.save();
  }

  async #clear(): Promise<void> {
    if (this.#saving !== null) clearTimeout(this.#saving);
    this.#saving = null;
    this.#log.clear();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }
}

/** What of a snapshot is news to a log that stands at `head`. */
function eventsOf(snapshot: Snapshot, head: { mark: number }): NewEvent[] {
  const moments = since(snapshot.moments, head.mark);
  const events: NewEvent[] = moments.map((moment) => ({
    type: "state",
    at: new Date(moment.at).toISOString(),
    data: moment.data,
  }));
  if (snapshot.ended && moments.length > 0) {
    events.push({ type: "done", at: new Date(snapshot.ended.at).toISOString(), data: snapshot.ended.task });
  }
  return events;
}
