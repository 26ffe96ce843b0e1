/** The interface of a measured service, independent of its contract. */
import type { Look } from "../load/observe.ts";

export type Name = "noop" | "sleep";

export type Service = {
  /** Returns the id once the task is accepted. */
  submit(name: Name, input?: { ms?: number }): Promise<string>;
  /** Whether a look can wait for the end. */
  canWait: boolean;
  /** `waitMs`: waits up to this long for the end. */
  look(id: string, waitMs?: number): ReturnType<Look>;
  /** Submits tasks that do nothing, in one request. Returns how many were accepted. */
  submitMany(count: number): Promise<number>;
  /** How many of the `submitted` tasks that `submitMany` created since `forgetMany` have not ended. */
  openOf(submitted: number): Promise<number>;
  /** Resets the count of `openOf`. */
  forgetMany(): Promise<void>;
  /** Pause between two calls of `openOf`, in ms. */
  askEveryMs: number;
  /** `chain`: tasks one after another. `chord`: many tasks at once, and one after them. Each returns the id of the last task. */
  flows: { chain(length: number): Promise<string>; chord(width: number): Promise<string> } | null;
  close(): Promise<void>;
};

/** A running service. */
export type Running = {
  service: Service;
  url: string;
  /** Ids of its processes; their descendants belong to it, too. */
  roots: number[];
  stop(): Promise<void>;
};

export type Subject = {
  name: string;
  title: string;
  /** A description of a sentence or two. */
  about: string;
  /** Why it cannot run here; null where it can. May install its dependencies. */
  prepare(): Promise<string | null>;
  /** The versions of its parts, once prepared: `redis 7.0.15`. */
  versions(): string[];
  /** `connections`: the most connections that its client opens. */
  start(connections: number): Promise<Running>;
  /** The names of the measures that apply to it. */
  measures: readonly string[];
  /** The share of the bulk measure's tasks that it gets: less for a slow subject, so that a run ends in time. */
  bulkShare: number;
};
