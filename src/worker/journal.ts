/** The journal of a durable task, as one of its attempts reads and writes it. */

import { AttemptAborted, NonRetryableError, type TaskError } from "../core/errors.ts";
import { nameIn, type JournalEntry } from "../core/journal.ts";
import { OBJECT } from "../core/wake.ts";
import type { Scrubber } from "../core/secret.ts";
import { liveSnapshotOf, progressObject } from "../engine/events/tell.ts";
import type { RunOptions } from "../engine/run-options.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { persist } from "../results/d1.ts";
import { reached } from "./reached.ts";
import { markObject } from "../results/read-tasks.ts";
import { historyOf, jsonOf } from "../results/task-row.ts";
import { Replay } from "./journal-replay.ts";

/** The beginning of a step that lasts longer than this is reported while it runs; that of a shorter one together with its end. */
const TOLD_AFTER_MS = 1_000;

const NAME = /^[^\n]{1,200}$/;

/** Characters of all values in a task's journal: an attempt reads them in one call, and a call between Workers carries 32 MiB. */
const MAX_JOURNAL_LENGTH = 8 * 1_048_576;

interface Opened {
  entries: Map<string, JournalEntry>;
  replay: Replay;
}

interface Group {
  entries: JournalEntry[];
  /** One for each of the entries: whether it was kept. */
  kept: PromiseWithResolvers<boolean>[];
}

export class Journal {
  readonly #env: Env;
  readonly #task: ClaimedTask;
  readonly #patienceMs: number;
  readonly #onUndoable: () => void;
  readonly #scrubber: () => Scrubber | null;
  #isUndoable: boolean;
  readonly #uses = new Map<string, number>();
  #opened: Promise<Opened> | null = null;
  #position = 0;
  #length = 0;
  #group: Group | null = null;
  #writing: Promise<void> = Promise.resolve();
  #hasAdvanced = false;
  /** Running steps whose beginning is not reported yet. */
  readonly #begun = new Map<string, JournalEntry>();
  #telling: ReturnType<typeof setTimeout> | null = null;

  /**
   * `patienceMs` is that of the {@link Replay}; `onUndoable` is called when a step ends that can be undone, if none has before;
   * `scrubber` masks the input's secrets in what readers see.
   */
  constructor(
    env: Env,
    task: ClaimedTask,
    patienceMs: number,
    onUndoable: () => void,
    scrubber: () => Scrubber | null,
  ) {
    this.#env = env;
    this.#task = task;
    this.#patienceMs = patienceMs;
    this.#onUndoable = onUndoable;
    this.#scrubber = scrubber;
    this.#isUndoable = (task.object & OBJECT.undo) !== 0;
  }

  /** Whether this attempt opened the journal, and so used the progress object. */
  get used(): boolean {
    return this.#opened !== null;
  }

  /** Whether this attempt has completed a call that a later attempt need not do again. */
  get hasAdvanced(): boolean {
    return this.#hasAdvanced;
  }

  /**
   * The entry of this call, which may have ended in an earlier attempt. Resolves when the replay gives it its turn, and
   * after `ready`. Must be called before anything is awaited: calls with the same name are told apart by their order.
   */
  async begin(kind: string, name: string, ready?: Promise<unknown>): Promise<JournalEntry> {
    const use = (this.#uses.get(`${kind}:${name}`) ?? 0) + 1;
    this.#uses.set(`${kind}:${name}`, use);
    const key = `${kind}:${name}#${use}`;
    const [{ entries, replay }] = await Promise.all([this.#open(), ready]);
    if (name !== "" && !NAME.test(name)) throw new NonRetryableError("a name is one line of at most 200 characters");
    const known = entries.get(key);
    await replay.turn(key, known?.ended ?? known?.began ?? Infinity);
    if (known === undefined) return this.#blank(key);
    // A failed call that is tried again begins now.
    return known.ended === null && known.startedAt === undefined ? { ...known, startedAt: Date.now() } : known;
  }

  /** A step runs now: if it lasts, its beginning is reported before it ends. */
  running(entry: JournalEntry): void {
    this.#begun.set(entry.key, entry);
    this.#telling ??= setTimeout(() => void this.#tellBegun(), TOLD_AFTER_MS);
  }

  /** The attempt has ended: no step of it runs any more. */
  close(): void {
    if (this.#telling !== null) clearTimeout(this.#telling);
    this.#begun.clear();
  }

  /** Stores the result or failure of a call. */
  async end(entry: JournalEntry): Promise<void> {
    // Marked before the entry is stored, so that a stored step is always undone when the task ends badly.
    if (entry.undo && !this.#isUndoable) {
      await markObject(this.#env.DB, this.#task.id, OBJECT.undo);
      this.#isUndoable = true;
      this.#onUndoable();
    }
    this.#hasAdvanced = true;
    this.#begun.delete(entry.key);
    await this.keep({ ...entry, ended: ++this.#position, finishedAt: Date.now() });
  }

  /** Stores the entry of a call. Throws an `AttemptAborted` where the task is in another attempt. */
  async keep(entry: JournalEntry): Promise<void> {
    this.#length += entry.value?.length ?? 0;
    if (this.#length > MAX_JOURNAL_LENGTH) {
      throw new NonRetryableError(
        `what the steps of this task gave is more than ${MAX_JOURNAL_LENGTH} characters: store it elsewhere and return its address`,
      );
    }
    this.#group ??= this.#nextGroup();
    const kept = Promise.withResolvers<boolean>();
    this.#group.entries.push(this.#shown({ ...entry, attempt: this.#task.attempt }));
    this.#group.kept.push(kept);
    if (!(await kept.promise)) throw new AttemptAborted("lost", "the task is in another attempt");
  }

  /** The entries that were in the journal when this attempt began. */
  async before(): Promise<ReadonlyMap<string, JournalEntry>> {
    return (await this.#open()).entries;
  }

  /** Stores that a step was undone, or why it was not, under a separate key. It has no `ended`, because no handler asks for it. */
  async keepUndone(key: string, error: TaskError | null): Promise<void> {
    const shown = this.#scrubber()?.value(error) ?? error;
    await this.keep({ ...this.#blank(key), finishedAt: Date.now(), value: JSON.stringify(shown) });
  }

  /** Discards a signal, so that no wait takes it again. */
  async discard(seq: number): Promise<void> {
    await this.keep({ ...this.#blank(`discarded:${seq}`), signal: seq });
  }

  /** Numbers of the signals that earlier attempts of this run took or discarded. */
  async takenBefore(): Promise<number[]> {
    const { entries } = await this.#open();
    return [...entries.values()].flatMap((entry) => entry.signal ?? []);
  }

  /** Collects the entries that come while another write is under way into one write. */
  #nextGroup(): Group {
    const group: Group = { entries: [], kept: [] };
    this.#writing = this.#writing.then(async () => this.#write(group));
    return group;
  }

  /** Never throws: the promise of each entry resolves or rejects. */
  async #write({ entries, kept }: Group): Promise<void> {
    this.#group = null;
    try {
      const isKept = await reached(persist(async () => this.#object.writeJournal(this.#task.attempt, entries)));
      for (const each of kept) {
        each.resolve(isKept);
        // One after the other, in the order in which a later attempt will replay them.
        if (kept.length > 1) await scheduler.wait(0);
      }
    } catch (error) {
      for (const each of kept) each.reject(error);
    }
  }

  async #open(): Promise<Opened> {
    this.#opened ??= this.#read();
    return this.#opened;
  }

  async #read(): Promise<Opened> {
    const { id, run, attempt, object } = this.#task;
    if (!(object & OBJECT.used)) await reached(markObject(this.#env.DB, id, OBJECT.used));
    const snapshot = liveSnapshotOf(this.#task);
    const from = jsonOf<RunOptions>(this.#task.options)?.from;
    const keepBefore = from?.run === run ? from.before : 0;
    const all = await reached(persist(async () => this.#object.openJournal(run, attempt, snapshot, keepBefore)));
    if (all === null) throw new AttemptAborted("lost", "the task is in another attempt");
    for (const entry of all) {
      this.#position = Math.max(this.#position, entry.began, entry.ended ?? 0);
      this.#length += entry.value?.length ?? 0;
    }
    // While steps are undone, no failed call is tried again: the handler must take the same path as before.
    const tried = this.#task.undo === null ? this.#triedInVain() : new Set<number>();
    const again = all.filter((entry) => entry.error !== null && tried.has(entry.attempt));
    const behind = all.filter(({ attempt: by, began }) =>
      again.some((failure) => failure.attempt === by && failure.began < began),
    );
    const entries = new Map(all.map((entry) => [entry.key, entry]));
    for (const entry of behind) entries.set(entry.key, { ...entry, loose: true });
    for (const { startedAt: _, finishedAt: __, shown: ___, ...entry } of again)
      entries.set(entry.key, { ...entry, ended: null, error: null, until: null });
    // Stored, because they cannot be told from the others once the failed call has been tried again.
    const changed = [...behind, ...again].map(({ key }) => entries.get(key)!);
    if (changed.length > 0) await reached(persist(async () => this.#object.writeJournal(attempt, changed)));
    const done = [...entries.values()].flatMap(({ key, ended, loose }) =>
      ended === null || loose ? [] : [{ key, ended }],
    );
    return { entries, replay: new Replay(done, this.#patienceMs) };
  }

  /**
   * The attempts that ended with a failure: calls that failed in them are tried again. A failure in an attempt
   * that was suspended later, or cut off, is replayed, because its handler has caught it.
   */
  #triedInVain(): Set<number> {
    const failed = historyOf(this.#task).filter(({ outcome }) => outcome !== "suspended" && outcome !== "crashed");
    return new Set(failed.map((attempt) => attempt.number));
  }

  #blank(key: string): JournalEntry {
    const { attempt } = this.#task;
    const began = ++this.#position;
    const startedAt = Date.now();
    return { key, attempt, began, ended: null, value: null, error: null, until: null, signal: null, startedAt };
  }

  /** The entry with what readers see in place of what must stay secret. */
  #shown(entry: JournalEntry): JournalEntry {
    const scrubber = this.#scrubber();
    if (scrubber === null) return entry;
    const name = nameIn(entry.key);
    const label = scrubber.text(entry.label ?? name);
    const { error } = entry;
    const shown =
      entry.shown ?? (error === null ? undefined : { type: error.type, message: error.message, data: error.data });
    return {
      ...entry,
      ...(label === name ? {} : { label }),
      ...(shown === undefined ? {} : { shown: scrubber.value(shown) }),
    };
  }

  /** Reports the beginning of steps that last. One that cannot be reported is reported with the step's end. */
  async #tellBegun(): Promise<void> {
    const now = Date.now();
    const old = [...this.#begun.values()].filter(({ startedAt = 0 }) => now - startedAt >= TOLD_AFTER_MS);
    for (const { key } of old) this.#begun.delete(key);
    this.#telling = this.#begun.size === 0 ? null : setTimeout(() => void this.#tellBegun(), TOLD_AFTER_MS);
    if (old.length === 0) return;
    const { attempt } = this.#task;
    const entries = old.map((entry) => this.#shown({ ...entry, attempt }));
    await this.#object.beginSteps(attempt, entries).catch(() => undefined);
  }

  get #object() {
    return progressObject(this.#env, this.#task.id);
  }
}
