/** What a submission asks for beyond the columns of its row. */

import type { Submission } from "../contract/submission.ts";
import type { WebhookEvent } from "../core/webhook.ts";

type Options = NonNullable<Submission["options"]>;

/** Options that become columns of the row, or that are stored in another form. All others are stored as they were given. */
const PLACED = [
  "delay",
  "runAt",
  "expiresIn",
  "expiresAt",
  "lane",
  "tags",
  "maxAttempts",
  "timeout",
  "softTimeout",
  "retention",
  "concurrency",
  "debounce",
  "throttle",
  "webhook",
] as const satisfies (keyof Options)[];

type Kept = Omit<Options, (typeof PLACED)[number]>;

/** What stands in the row's `options`, as JSON. */
export interface RunOptions extends Kept {
  /** Set by a retry, for this run: it keeps the calls that had ended before this place in the journal of the run before. */
  from?: { run: number; before: number };
  timeoutMs?: number;
  softTimeoutMs?: number;
  /** Receives this task's end, signed with its own secret (sealed), or where it has none with the tenant's. Never shown. */
  webhook?: { url: string; events?: WebhookEvent[] | undefined; secret?: string | undefined };
}

/**
 * What the row keeps of the options, and apart from it the secret of their webhook, where it can be sealed. Where it cannot, it is
 * stored as it is, and sealed when it is used after a key is configured.
 */
export function runOptionsOf(options: Options, canSeal: () => boolean): { run: RunOptions; signing: string | null } {
  const { timeout, softTimeout, webhook } = options;
  const signing = webhook?.secret !== undefined && canSeal() ? webhook.secret : null;
  const run: RunOptions = {
    ...keptOf(options),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(softTimeout === undefined ? {} : { softTimeoutMs: softTimeout }),
    ...(webhook === undefined ? {} : { webhook: signing === null ? webhook : { ...webhook, secret: undefined } }),
  };
  return { run, signing };
}

function keptOf(options: Options): Kept {
  const kept: Partial<Options> = { ...options };
  for (const name of PLACED) delete kept[name];
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
}
