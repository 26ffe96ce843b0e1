/**
 * The rules of outbound webhooks, after Standard Webhooks 1.0 (https://www.standardwebhooks.com):
 * which events there are, when a delivery is tried again, which secrets sign, and when an endpoint is given up.
 */

import { ALERT_CODES, type AlertCode } from "./alerts.ts";
import { TERMINAL_STATES, type TerminalState } from "./states.ts";

export type WebhookEvent = `task.${TerminalState}`;

/** Every way in which a task ends: what an endpoint listens to unless it says otherwise. */
export const WEBHOOK_EVENTS = TERMINAL_STATES.map((state): WebhookEvent => `task.${state}`) as [
  WebhookEvent,
  ...WebhookEvent[],
];

export type EndpointEvent = WebhookEvent | `alert.${AlertCode}`;

/** What an endpoint can listen to. */
export const ENDPOINT_EVENTS = [...WEBHOOK_EVENTS, ...ALERT_CODES.map((code): EndpointEvent => `alert.${code}`)] as [
  EndpointEvent,
  ...EndpointEvent[],
];

/** The type of the event that only a request for a test makes. */
export const TEST_EVENT = "webhook.test";

/** The endpoint that holds a tenant's secret for the webhooks of submissions; it listens to nothing itself. */
export const DEFAULT_WEBHOOK = "default";

/** The system task that makes a delivery. */
export const WEBHOOK_TASK = "lovage.webhook";

/** A receiver that has not answered by then has failed. */
export const ANSWER_WITHIN_MS = 15_000;

/** An endpoint whose every attempt has failed for this long is paused. */
export const GIVE_UP_AFTER_MS = 5 * 86_400_000;

/** How long a secret is valid after its successor was made. */
export const OVERLAP_MS = 24 * 3_600_000;

/** Endpoints of one tenant: each adds a delivery to every end that it listens to. */
export const MAX_WEBHOOKS = 50;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** From each failure to the next attempt: the schedule that the specification proposes. */
const LADDER_MS = [
  5_000,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
] as const;

/** Attempts of one delivery: the first, and one for each step of the ladder. */
export const DELIVERY_ATTEMPTS = LADDER_MS.length + 1;

/** The part of a step by which the attempt may come sooner or later, so that deliveries that failed together are not repeated together. */
const JITTER = 0.1;

/**
 * Milliseconds from the `failures`-th failure (1 is the first) to the next attempt; null after the
 * last. `random` is a number in [0, 1).
 */
export function deliveryDelay(failures: number, random: number): number | null {
  const step = LADDER_MS[failures - 1];
  return step === undefined ? null : Math.round(step * (1 - JITTER + 2 * JITTER * random));
}

/** A signing secret, `whsec_` and base64. `expiresAt` (ms since the epoch) is null for the one that stays. */
export interface WebhookSecret {
  secret: string;
  expiresAt: number | null;
}

/** The secrets to sign with now, the newest first. */
export function validSecrets(secrets: readonly WebhookSecret[], now: number): string[] {
  return secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > now).map(({ secret }) => secret);
}

const OWNED = "webhooks:";

/** The tenant under which a tenant's deliveries are stored. No key can have it, because no tenant's name has a colon. */
export function deliveryTenant(tenant: string): string {
  return `${OWNED}${tenant}`;
}

/** The tenant whose deliveries are stored under `tenant`: the inverse of {@link deliveryTenant}. */
export function ownerOf(tenant: string): string {
  return tenant.slice(OWNED.length);
}
