/** What is measured, whatever contract it speaks. */
import type { Look } from "../load/observe.ts";

export type Name = "noop" | "sleep";

export type Service = {
  /** Answers the id once the task is accepted. */
  submit(name: Name, input?: { ms?: number }): Promise<string>;
  /** Whether a look can wait for the end. */
  canWait: boolean;
  /** `waitMs`: the answer may come later, when the task has ended meanwhile. */
  look(id: string, waitMs?: number): ReturnType<Look>;
  /** So many tasks that do nothing, in one request. Answers how many were accepted. */
  submitMany(count: number): Promise<number>;
  /** How many of those that `submitMany` has made since `forgetMany` have not ended, of `submitted`. */
  openOf(submitted: number): Promise<number>;
  /** Begins to count anew. */
  forgetMany(): Promise<void>;
  /** How long to rest between two `openOf`. */
  askEveryMs: number;
  /** One task after another; then many and one more after them. Each answers the id of the last task. */
  flows: { chain(length: number): Promise<string>; chord(width: number): Promise<string> } | null;
  close(): Promise<void>;
};

/** A service that runs. */
export type Running = {
  service: Service;
  url: string;
  /** The processes that it consists of, each with those that it started. */
  roots: number[];
  stop(): Promise<void>;
};

export type Subject = {
  name: string;
  title: string;
  /** What it is, in a sentence or two. */
  about: string;
  /** Why it cannot run here; null where it can. May install what it needs. */
  prepare(): Promise<string | null>;
  /** Of what it is made, once prepared: `redis 7.0.15`. */
  versions(): string[];
  /** `connections`: the most that its client opens. */
  start(connections: number): Promise<Running>;
  /** The names of the measures that mean something for it. */
  measures: readonly string[];
  /** Of the bulk measure, what part of its tasks are enough: of a slow one less, so that a run ends in time. */
  bulkShare: number;
};
