/** What an endpoint can be told of. */

export const WEBHOOK_EVENT_NAMES = ["task.succeeded", "task.failed", "task.cancelled", "task.expired"] as const;
