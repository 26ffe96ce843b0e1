/** The page's three requests. Expected failures are values, in words that can be shown as they are. */

import type { TaskResource } from "../../contract/task.ts";
import { problemWords } from "./problem-words.ts";
import type { TrackedTask } from "./tracked-task.ts";

/** `status` is 0 where no answer came. */
export type Answer<T> = { ok: true; value: T } | { ok: false; status: number; words: string };

const ANSWER_WITHIN_MS = 15_000;

const DEMO_IS_OFF =
  'The public demo is switched off on this deployment. Its owner opens it with PUBLIC_DEMO = "1" under [vars] in wrangler.toml; on your own machine, npm start has it on.';

/** Has an item processed. */
export async function submitItem(name: string): Promise<Answer<Pick<TrackedTask, "id" | "links">>> {
  const answer = await request<Pick<TrackedTask, "id" | "links">>("/item", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name }),
  });
  return !answer.ok && answer.status === 404 ? { ...answer, words: DEMO_IS_OFF } : answer;
}

/** The task as it stands. */
export function readTask(self: string): Promise<Answer<TaskResource>> {
  return request(self);
}

/** Cancels the task; a running one takes up to five seconds to end. */
export function cancelTask(cancel: string): Promise<Answer<TaskResource>> {
  return request(cancel, { method: "POST" });
}

async function request<T>(address: string, init: RequestInit = {}): Promise<Answer<T>> {
  try {
    const response = await fetch(address, { ...init, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!response.ok) return { ok: false, status: response.status, words: await problemWords(response) };
    return { ok: true, value: (await response.json()) as T };
  } catch {
    return { ok: false, status: 0, words: "The server did not answer. Try again in a moment." };
  }
}
