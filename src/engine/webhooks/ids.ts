/**
 * Ids of webhook messages. The ids of a message and of the task that delivers it differ only in the prefix,
 * so each follows from the other.
 */

import { namedTaskId } from "../ids.ts";

const MESSAGE_ID = /^msg_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

const WEBHOOK_ID = /^whk_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

export function isMessageId(text: string): boolean {
  return MESSAGE_ID.test(text);
}

/** Whether a text could be the id of an endpoint; the default one has a name instead. */
export function isWebhookId(text: string): boolean {
  return WEBHOOK_ID.test(text);
}

/** The message that a task delivers. */
export function messageIdOf(taskId: string): string {
  return `msg_${taskId.slice("task_".length)}`;
}

/** The id of the task that delivers a task's end to an endpoint: always the same, so that storing it again makes nothing twice. */
export function deliveryTaskIdFor(
  webhookId: string,
  { taskId, run, finishedAt }: { taskId: string; run: number; finishedAt: number },
): Promise<string> {
  return namedTaskId(`${webhookId}:${taskId}:${run}`, finishedAt);
}

/** The task that delivers a message. */
export function deliveryTaskIdOf(messageId: string): string {
  return `task_${messageId.slice("msg_".length)}`;
}
