/**
 * The progress object: one Durable Object per task that needs one. It keeps the task's events and
 * pushes them to listeners. It is not the source of truth: everything it knows of the task's state
 * comes from the row, and can be sent to it again.
 */

import { DurableObject } from "cloudflare:workers";
import type { TaskEvent } from "../contract/event.ts";
import { EVENTS_KEPT_MS } from "../core/bounds.ts";
import { isTerminal, type State } from "../core/states.ts";
import { eventNumber } from "../core/event-numbers.ts";
import type { JournalEntry } from "../core/journal.ts";
import { isOver } from "../core/timeline.ts";
import { tenantOfFeed, type FeedRoom } from "./feed-room.ts";
import { EventLog, SAVE_EVERY_MS, type Told } from "./event-log.ts";
import { Heard } from "./heard.ts";
import { JournalStore, type Written } from "./journal-store.ts";
import {
  ENDED_CODE,
  eventsOf,
  type FlowNews,
  type NewEvent,
  type ProgressApi,
  type Report,
  type Snapshot,
  type Steps,
} from "./snapshot.ts";

/** Between two looks at a task that is still alive. */
const LOOK_AGAIN_MS = 24 * 3_600_000;

/** Tags of WebSockets: a listener gets every event, a waiter is closed at the end. */
const LISTENER = "listener";
const WAITER = "waiter";

/** A waiter that connects within this time (ms) after an end waits for that end: it was on its way while the task ended. */
const JUST_ENDED_MS = 5_000;

export class ProgressObject extends DurableObject<Env> implements Omit<ProgressApi, "fetch"> {
  readonly #journal: JournalStore;
  #openLog: EventLog | null = null;
  #savedAt = 0;
  /** How often it has received something to keep. */
  #touched = 0;
  #saving: ReturnType<typeof setTimeout> | null = null;
  /** When it was last told of an end, in ms since the epoch. Only in memory: a waiter that misses the end looks at the row. */
  #endedAt = 0;

  readonly #feed: FeedRoom;

  /** `feed`: what it does where its name is that of a feed. */
  constructor(ctx: DurableObjectState, env: Env, feed: FeedRoom) {
    super(ctx, env);
    this.#feed = feed;
    this.#journal = new JournalStore(ctx.storage);
  }

  /** Opened when it is needed: an object that has only waiters does not touch its storage. */
  get #log(): EventLog {
    return (this.#openLog ??= new EventLog(this.ctx.storage.sql));
  }

  /** Receives the task's state; what is new in it becomes events. */
  async sync(snapshot: Snapshot): Promise<void> {
    const events = eventsOf(snapshot, this.#log.head.seq);
    if (events.length > 0) this.#push(events, { endedAt: snapshot.ended?.at ?? null });
    if (snapshot.ended !== null) this.#releaseWaiters();
    await this.#keep(snapshot.ended !== null);
  }

  /** Receives a report of a running attempt. Ignores it if another attempt has followed or the task has ended. */
  async report({ id, snapshot, events, last }: Report): Promise<void> {
    const { head } = this.#log;
    if (head.report === id || isOver(snapshot.moments, head.seq)) return;
    this.#push([...eventsOf(snapshot, head.seq), ...events], { endedAt: null, report: id });
    await this.#keep(last);
  }

  /**
   * Receives events of a flow. The order in which they happened is unknown, because machines' clocks differ and a change may
   * become visible late. So new events get the next numbers as they arrive, and the numbers are kept as long as the flow is.
   */
  async syncFlow(told: FlowNews[]): Promise<void> {
    const news = new Heard(this.ctx.storage.sql).news(told);
    const last = this.#log.head.seq;
    this.#log.append(
      news.map(({ event }, i) => ({ ...event, seq: last + i + 1 })),
      {},
    );
    // In the same turn of the event loop as `Heard`, so that both are stored, or neither.
    this.#save();
    await this.#setAlarm();
  }

  /** The kept events after number `after`, oldest first. */
  async list(after: number): Promise<TaskEvent[]> {
    return this.#log.read(after);
  }

  /** The latest progress event of the task, if any. */
  async latestProgress(): Promise<TaskEvent | null> {
    return this.#log.latest("progress");
  }

  /** Adds an event from outside of the task, unless the task has ended. */
  async note(snapshot: Snapshot, event: NewEvent): Promise<void> {
    const { head } = this.#log;
    const fresh = eventsOf(snapshot, head.seq);
    if (head.endedAt !== null && fresh.length === 0) return;
    this.#push([...fresh, event], { endedAt: null });
    await this.#keep(true);
  }

  /** The journal of this run, for this attempt and no earlier one. */
  async openJournal(run: number, attempt: number, snapshot?: Snapshot, keepBefore = 0): Promise<JournalEntry[] | null> {
    await this.#setAlarm();
    const entries = this.#journal.open(run, attempt, keepBefore);
    if (entries === null || snapshot === undefined || isOver(snapshot.moments, this.#log.head.seq)) return entries;
    // The numbers of the journal's events come after that of the attempt's start.
    this.#push(eventsOf(snapshot, this.#log.head.seq), { endedAt: null });
    this.#save();
    return entries;
  }

  /** Stores the results of durable calls; false where the attempt is no longer the latest. */
  async writeJournal(attempt: number, entries: JournalEntry[]): Promise<boolean> {
    const written = this.#journal.write(attempt, entries);
    this.#tell(written ?? []);
    return written !== null;
  }

  /** Receives steps that have begun and not ended. */
  async beginSteps(attempt: number, entries: JournalEntry[]): Promise<void> {
    this.#tell(this.#journal.begin(attempt, entries));
  }

  /** The journal as readers see it. */
  async steps(): Promise<Steps> {
    return this.#journal.read();
  }

  /**
   * Makes events of the journal's changes, and stores them in the same turn of the event loop as the journal, so that each change
   * makes one. An attempt that is over makes none.
   */
  #tell(written: Written): void {
    const { run, attempt } = this.#journal.opened;
    const { seq } = this.#log.head;
    if (written.length === 0 || seq < eventNumber(run, attempt, "running")) return;
    if (seq >= eventNumber(run, attempt, "after")) return;
    const events = written.map(({ at, data }) => ({ type: "step" as const, at: new Date(at).toISOString(), data }));
    this.#push(events, { endedAt: null });
    this.#save();
  }

  /** Called at the end of a task that is only awaited. */
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
   * one for a waiter, which is closed at the next end; 204 where the task has just ended, unless the query has `next`. At `/feed`
   * one for a listener of the tenant's feed.
   */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/feed") return this.#feed.listen();
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
        // The socket is gone, or closed already.
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
    if (tenantOfFeed(this.ctx.id.name) !== null) return this.#feed.alarm();
    const touched = this.#touched;
    const kept = await this.#kept();
    // What arrived while it read the row belongs to a new run.
    if (this.#touched !== touched) await this.ctx.storage.setAlarm(Date.now() + EVENTS_KEPT_MS);
    else if (kept === null) await this.#clear();
    else if (kept.events > Date.now()) await this.ctx.storage.setAlarm(kept.events);
    else if (this.#journal.isEmpty) await this.#clear();
    else {
      // The journal is kept as long as the task: a retry may begin at one of its steps. The deletion clears it.
      this.#clearLog();
      await this.ctx.storage.setAlarm(Math.max(kept.task, Date.now()) + EVENTS_KEPT_MS);
    }
  }

  /**
   * Until when the events are kept and the task itself, in ms since the epoch; null: the task is gone. A flow's object is kept
   * as long as the flow, because it holds the numbers of the flow's events.
   */
  async #kept(): Promise<{ events: number; task: number } | null> {
    const id = this.ctx.id.name ?? "";
    const table = id.startsWith("flow_") ? "flows" : "tasks";
    const row = await this.env.DB.prepare(
      `SELECT state, finished_at AS finishedAt, retain_until AS retainUntil FROM ${table} WHERE id = ?1`,
    )
      .bind(id)
      .first<{ state: State; finishedAt: number | null; retainUntil: number | null }>();
    if (row === null) return null;
    const isOver = table === "tasks" && isTerminal(row.state);
    const events = isOver ? (row.finishedAt ?? 0) + EVENTS_KEPT_MS : Date.now() + LOOK_AGAIN_MS;
    return { events, task: row.retainUntil ?? 0 };
  }

  #push(events: Told[], head: Parameters<EventLog["append"]>[1]): void {
    const numbered = this.#log.append(events, head);
    const sockets = this.ctx.getWebSockets(LISTENER);
    if (sockets.length === 0) return;
    this.#save();
    const frames = numbered.map((event) => JSON.stringify(event));
    for (const socket of sockets) {
      try {
        for (const frame of frames) socket.send(frame);
      } catch {
        // The socket is gone; the relay resumes with the kept events.
      }
    }
  }

  async #keep(now: boolean): Promise<void> {
    await this.#setAlarm();
    if (!this.#log.hasUnsaved) return;
    if (now || Date.now() - this.#savedAt >= SAVE_EVERY_MS) this.#save();
    else this.#saving ??= setTimeout(() => this.#save(), SAVE_EVERY_MS);
  }

  /** Sets an alarm, so that every object checks by itself whether its task has ended, and clears its storage. */
  async #setAlarm(): Promise<void> {
    this.#touched++;
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + EVENTS_KEPT_MS);
  }

  #save(): void {
    if (this.#saving !== null) clearTimeout(this.#saving);
    this.#saving = null;
    this.#savedAt = Date.now();
    this.#log.save();
  }

  #clearLog(): void {
    if (this.#saving !== null) clearTimeout(this.#saving);
    this.#saving = null;
    this.#log.clear();
    this.ctx.storage.sql.exec("DROP TABLE IF EXISTS log");
  }

  async #clear(): Promise<void> {
    this.#clearLog();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }
}
