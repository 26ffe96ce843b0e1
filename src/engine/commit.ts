/** Ends attempts, and announces it. */

import { log } from "../core/log.ts";
import type { KeyLimit } from "../core/concurrency.ts";
import type { WaitCause } from "../core/series.ts";
import type { State } from "../core/states.ts";
import { commitAttempts, type Commit, type CommitAnswer, type Committed } from "../results/commit-attempts.ts";
import type { Change } from "../results/changes.ts";
import { troubleOf } from "../results/trouble.ts";
import { announce } from "./announce.ts";

/**
 * How long after its attempt's end the write of a result to a full database is tried again, because a purge may make room.
 * Less than what is left of a lease between two heartbeats, so that finished work is not done again.
 */
const FULL_PATIENCE_MS = 8_000;

/** Characters. Shorter results take no more room than the error that would replace them. */
const SHORT_RESULT = 500;

/** Writes the ends of attempts and returns those that were accepted; one that is missing was fenced. */
export async function commit(env: Env, commits: Commit[]): Promise<Committed[]> {
  const { held, released, owed } = await write(env, commits);
  await announce(env, { moved: held.map(withCauses(commits)), released, owed, freed: keysOf(commits) });
  return held;
}

/** Adds to an end what only its commit knows: error and tags, the limit that held the attempt back, and what the task waits for now. */
function withCauses(commits: readonly Commit[]): (end: Committed) => Change {
  const byAttempt = new Map(commits.map((entry) => [`${entry.id}/${entry.attempt}`, entry]));
  return (end) => {
    const entry = byAttempt.get(`${end.id}/${end.attempt}`);
    if (entry === undefined) return end;
    const { error, tags = null, limitedBy = null, attemptError } = entry;
    const caused = { ...end, limitedBy, waitsFor: waitsFor(end.state, entry), errorType: attemptError?.type ?? null };
    // A task that was cancelled meanwhile has another error.
    return end.state === "failed" ? { ...caused, error, tags } : caused;
  };
}

function waitsFor(state: State, { outcome, wait }: Commit): WaitCause | null {
  if (state === "retrying") return "retry";
  if (state === "scheduled" && outcome === "snoozed") return "snooze";
  return state === "waiting" && wait !== undefined ? wait.type : null;
}

/** Throws what D1 threw. If the database is full for longer than {@link FULL_PATIENCE_MS}, tasks fail without their results. */
async function write(env: Env, commits: Commit[]): Promise<CommitAnswer> {
  try {
    return await commitAttempts(env.DB, commits);
  } catch (error) {
    const since = Date.now() - FULL_PATIENCE_MS;
    const isTooLarge = (entry: Commit) => entry.at < since && (entry.result?.length ?? 0) > SHORT_RESULT;
    if (troubleOf(error) !== "full" || !commits.some(isTooLarge)) throw error;
    return commitAttempts(
      env.DB,
      commits.map((entry) => (isTooLarge(entry) ? withoutResult(entry) : entry)),
    );
  }
}

/** The task fails without an automatic retry, because its work is done: only a retry by hand runs it again. */
function withoutResult(entry: Commit): Commit {
  const message = `the result of ${entry.result?.length} characters could not be stored: the database is full`;
  const error = { type: "storage_full", message };
  log("result_not_stored", { taskId: entry.id, attempt: entry.attempt });
  const { sealed: _, ...rest } = entry;
  return { ...rest, outcome: "failed", state: "failed", result: null, error, attemptError: error };
}

/** The keys under which the ends of these attempts free a slot. */
function keysOf(commits: Commit[]): string[] {
  const limits = commits.flatMap(({ concurrency }) => (concurrency ? (JSON.parse(concurrency) as KeyLimit[]) : []));
  return [...new Set(limits.map((each) => each.key))];
}
