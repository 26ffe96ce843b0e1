/** An endpoint as it lies in D1. JSON columns stay text until they are needed; instants are ms since the epoch. */

export interface WebhookRow {
  tenant: string;
  id: string;
  url: string;
  /** JSON array of event types. */
  events: string;
  description: string;
  payload: "full" | "thin";
  /** JSON array of `WebhookSecret`, the newest first. */
  secrets: string;
  paused: number;
  pausedReason: string | null;
  failingSince: number | null;
  createdAt: number;
}

/** The columns of {@link WebhookRow} for a SELECT from `webhooks`, or a RETURNING. */
export const WEBHOOK_COLUMNS = `tenant, id, url, events, description, payload, secrets, paused,
  paused_reason AS pausedReason, failing_since AS failingSince, created_at AS createdAt`;
