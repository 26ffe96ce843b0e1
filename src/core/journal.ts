/** The journal of a durable task: what an entry holds, which events its changes make, and how a reader sees it. */

import type { TaskError } from "./errors.ts";

/** What a durable task has done, or has begun to wait for. */
export interface JournalEntry {
  /** Kind, name and how often the name came before: `step:charge#1`. */
  key: string;
  /** The number of the attempt that wrote it. */
  attempt: number;
  /** Places in the order in which the run's entries began and ended; `ended` is null while the task still waits for it. */
  began: number;
  ended: number | null;
  /** JSON text of the value, once it has ended. */
  value: string | null;
  /** What the step threw. */
  error: (TaskError & { retryable: boolean }) | null;
  /** Until when it waits, in ms since the epoch. */
  until: number | null;
  /** The number of the signal that it took. */
  signal: number | null;
  /** An attempt wrote it after a failure that is tried again; the handler may then take another path and not make this call again. */
  loose?: true;
  /** The step says how to undo it. */
  undo?: true;
  /** In ms since the epoch; an entry that release 0.2.0 or an older one wrote has neither. */
  startedAt?: number;
  finishedAt?: number;
  /** What readers see in place of the key's name, and of the error: a child's task and failure, or a text without its secrets. */
  label?: string;
  shown?: TaskError;
}

export const STEP_KINDS = ["step", "sleep", "signal", "child"] as const;
export type StepKind = (typeof STEP_KINDS)[number];

export const STEP_PHASES = ["started", "finished", "failed", "undone"] as const;
export type StepPhase = (typeof STEP_PHASES)[number];

/** A durable call as readers see it. Instants are ISO 8601. */
export interface Step {
  /** As the handler gave it, with `#n` for the nth of its name from the second on; of a sleep `sleep`, of a child its task. */
  name: string;
  kind: StepKind;
  startedAt: string | null;
  finishedAt: string | null;
  /** The attempt that did it last. */
  attempt: number;
  error: TaskError | null;
  /** When a sleep ends, or a wait for a signal times out. */
  until: string | null;
  /** The ids of the children, the first hundred at most. */
  taskIds?: string[];
  undoneAt?: string | null;
  /** Why it could not be undone. */
  undoError?: TaskError | null;
}

/** The data of an event `step`. */
export interface StepNews extends Step {
  phase: StepPhase;
}

const KEY = /^(undo:)?(step|sleep|signal|spawn|join):(.*)#(\d+)$/s;

const MAX_CHILDREN = 100;

interface Parsed {
  isUndo: boolean;
  kind: "step" | "sleep" | "signal" | "spawn" | "join";
  name: string;
}

/** Null for a key that is not a durable call's. */
function parse({ key, label }: Pick<JournalEntry, "key" | "label">): Parsed | null {
  const match = KEY.exec(key);
  if (match === null) return null;
  const [, undo, kind, name, nth] = match as unknown as [string, string | undefined, Parsed["kind"], string, string];
  const base = label ?? (kind === "sleep" ? "sleep" : name);
  const isFirst = nth === "1" || kind === "join";
  return { isUndo: undo !== undefined, kind, name: isFirst ? base : `${base}#${nth}` };
}

/** The name in a key, as the handler gave it. */
export function nameIn(key: string): string {
  return KEY.exec(key)?.[3] ?? key;
}

/** The name of a step as its readers see it. */
export function stepName(key: string): string {
  return parse({ key })?.name ?? key;
}

/** The entry as a step of the list: a spawn and a join are both of the kind `child`. */
function present(entry: JournalEntry, { kind, name }: Parsed): Step {
  const ids = kind === "spawn" && entry.value !== null ? (JSON.parse(entry.value) as string[]) : null;
  return {
    name,
    kind: kind === "spawn" || kind === "join" ? "child" : kind,
    startedAt: iso(entry.startedAt),
    // Spawning is the beginning of a child; its end is when the task has joined it.
    finishedAt: kind === "spawn" ? null : iso(entry.finishedAt),
    attempt: entry.attempt,
    error: errorOf(entry),
    until: iso(entry.until),
    ...(ids === null ? {} : { taskIds: ids.slice(0, MAX_CHILDREN) }),
  };
}

/**
 * The events that a written entry makes, with their time in ms since the epoch. `before`: the entry as it was. `isTold`: the
 * event of its beginning was made before. Writing the same entry again makes none.
 */
export function newsOf(
  entry: JournalEntry,
  before: JournalEntry | null,
  isTold: boolean,
): { at: number; data: StepNews }[] {
  const parsed = parse(entry);
  if (parsed === null || (before !== null && before.ended === entry.ended && before.began === entry.began)) return [];
  const step = present(entry, parsed);
  const startedAt = entry.startedAt ?? 0;
  const finishedAt = entry.finishedAt ?? startedAt;
  if (parsed.isUndo) {
    const error = undoErrorOf(entry);
    return [{ at: finishedAt, data: { ...step, error, phase: "undone" } }];
  }
  const started = { at: startedAt, data: { ...step, finishedAt: null, error: null, phase: "started" as const } };
  if (parsed.kind === "spawn") return [started];
  // A call that is tried again after a failure is written without its end first.
  if (entry.ended === null) return isTold || (before !== null && before.ended !== null) ? [] : [started];
  const phase = step.error === null ? ("finished" as const) : ("failed" as const);
  const wasTold =
    isTold || parsed.kind === "join" || (before !== null && before.ended === null && parsed.kind !== "step");
  return [...(wasTold ? [] : [started]), { at: finishedAt, data: { ...step, phase } }];
}

/** A durable call, and its place among the beginnings and ends of the run. */
export interface PlacedStep {
  began: number;
  step: Step;
}

/** The durable calls of a run in the order in which they began. `begun`: steps that have begun and not ended. */
export function stepsOf(entries: readonly JournalEntry[], begun: readonly JournalEntry[]): PlacedStep[] {
  const steps: PlacedStep[] = [];
  const byKey = new Map<string, Step>();
  const children = new Map<string, Step>();
  const others: { entry: JournalEntry; parsed: Parsed }[] = [];
  for (const entry of [...entries, ...begun]) {
    const parsed = parse(entry);
    if (parsed === null) continue;
    if (parsed.isUndo || parsed.kind === "join") {
      others.push({ entry, parsed });
      continue;
    }
    const step = present(entry, parsed);
    steps.push({ began: entry.began, step });
    byKey.set(entry.key, step);
    if (step.taskIds?.[0] !== undefined) children.set(step.taskIds[0], step);
  }
  for (const { entry, parsed } of others) {
    if (parsed.isUndo) {
      const step = byKey.get(entry.key.slice("undo:".length));
      if (step) Object.assign(step, { undoneAt: iso(entry.finishedAt), undoError: undoErrorOf(entry) });
    } else {
      const step = children.get(KEY.exec(entry.key)![3]!);
      if (step)
        Object.assign(step, { finishedAt: iso(entry.finishedAt), error: errorOf(entry), attempt: entry.attempt });
    }
  }
  return steps.toSorted((a, b) => a.began - b.began);
}

/** Where a new run begins, and in which state the steps are that it keeps. */
export interface Resumption {
  /** Everything that ended before this place is kept. */
  before: number;
  /** A kept step can be undone if the run ends badly. */
  isUndoable: boolean;
  /** A step that would be kept was undone, so its result no longer holds. */
  wasUndone: boolean;
}

/**
 * Where a new run begins that resumes at the call of this name, as readers see the name. Of several calls a step is taken before
 * other kinds, and then the first. Null: no call has the name.
 */
export function resumeAt(
  name: string,
  entries: readonly JournalEntry[],
  begun: readonly JournalEntry[],
): Resumption | null {
  const found = [...entries, ...begun].flatMap((entry) => {
    const parsed = parse(entry);
    const isOne = parsed !== null && !parsed.isUndo && parsed.kind !== "join" && parsed.name === name;
    return isOne ? [{ isStep: parsed.kind === "step", before: entry.began }] : [];
  });
  const [first] = found.toSorted((a, b) => Number(b.isStep) - Number(a.isStep) || a.before - b.before);
  if (first === undefined) return null;
  const kept = entries.filter(({ ended }) => ended !== null && ended < first.before);
  const undone = new Set(entries.map(({ key }) => key));
  return {
    before: first.before,
    isUndoable: kept.some(({ undo }) => undo),
    wasUndone: kept.some(({ key }) => undone.has(`undo:${key}`)),
  };
}

/**
 * The entry without the text of its error, where release 0.2.0 or an older one wrote it: those did not mask what is secret in
 * the input.
 */
export function withoutOldError(entry: JournalEntry): JournalEntry {
  if (entry.startedAt !== undefined) return entry;
  const { error, key, value } = entry;
  const message = "an earlier release of the service wrote it, which did not mask what is secret in the input";
  if (error !== null) return { ...entry, error: { type: error.type, message, retryable: error.retryable } };
  const undone = key.startsWith("undo:") ? undoErrorOf(entry) : null;
  return { ...entry, value: undone === null ? value : JSON.stringify({ type: undone.type, message }) };
}

function errorOf({ error, shown }: JournalEntry): TaskError | null {
  if (shown !== undefined) return withoutStack(shown);
  if (error === null) return null;
  const { retryable: _, ...told } = error;
  return withoutStack(told);
}

function undoErrorOf({ value }: JournalEntry): TaskError | null {
  const error = value === null ? null : (JSON.parse(value) as TaskError | null);
  return error === null ? null : withoutStack(error);
}

/** Every caller that may read the task reads its steps. Release 0.2.0 stored the stacks of undo errors. */
function withoutStack(error: TaskError): TaskError {
  const { stack: _, ...rest } = error;
  return rest;
}

function iso(at: number | null | undefined): string | null {
  return at === null || at === undefined ? null : new Date(at).toISOString();
}
