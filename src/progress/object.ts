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
import {
  ENDED_CODE,
  type JournalEntry,
  type NewEvent,
  type ProgressApi,
  type Report,
  type Snapshot,
} from "./snapshot.ts";

/** Between two looks at a task that is still alive. */
const LOOK_AGAIN_MS = 24 * 3_600_000;

/** Tags of WebSockets: a listener gets every event, a waiter is closed at the end. */
const LISTENER = "listener";
const WAITER = "waiter";

/** A waiter that comes this soon after the end, in ms, comes behind it: it was on its way while the task ended. */
const JUST_ENDED_MS = 5_000;

export class ProgressObject extends DurableObject<Env> implements Omit<ProgressApi, "fetch"> {
  readonly #journal: JournalStore;
  #openLog: EventLog | null = null;
  #savedAt = 0;
  #saving: ReturnType<typeof setTimeout> | null = null;
  /** When it last heard of an end, in ms since the epoch. Only in memory: who comes too late for it looks at the row. */
  #endedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#journal = new JournalStore(ctx.storage);
  }

  /** Opened when it is needed: for waiters alone the storage is not touched. */
  get #log(): EventLog {
    return (this.#openLog ??= new EventLog(this.ctx.storage.sql));
  }

  /** Hears how the task stands; what it had not heard yet becomes events. */
  async sync(snapshot: Snapshot): Promise<void> {
    this.#tell(eventsOf(snapshot, this.#log.head), snapshot);
    if (snapshot.ended !== null) this.#releaseWaiters();
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

  /** Hears of the end of a task that is only awaited. */
  async ended(): Promise<void> {
    this.#releaseWaiters();
  }

  /** Forgets the task: it was deleted. */
  async destroy(): Promise<void> {
    for (const socket of this.ctx.getWebSockets()) socket.close(1001, "the task was deleted");
    await this.#clear();
  }

  /**
   * A WebSocket for a listener, which first gets what was kept after `?after=`, then everything as it comes. At `/end`
   * one for a waiter, which is closed at the next end; 204 where one has just been, unless `?next` is asked for.
   */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/end") return this.#wait(searchParams.has("next"));
    const after = Number(searchParams.get("after") ?? 0);
    const { 0: client, 1: server } = new WebSocketPair();
    const kept = this.#log.read(after);
    this.ctx.acceptWebSocket(server, [LISTENER]);
    for (const event of kept) server.send(JSON.stringify(event));
    return new Response(null, { status: 101, webSocket: client });
  }

  #wait(isForNext: boolean): Response {
    if (!isForNext && Date.now() - this.#endedAt < JUST_ENDED_MS) return new Response(null, { status: 204 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [WAITER]);
    return new Response(null, { status: 101, webSocket: client });
  }

  #releaseWaiters(): void {
    this.#endedAt = Date.now();
    for (const socket of this.ctx.getWebSockets(WAITER)) {
      try {
        socket.close(ENDED_CODE);
      } catch {
        // It is gone, or closed already.
      }
    }
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
    const sockets = this.ctx.getWebSockets(LISTENER);
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
